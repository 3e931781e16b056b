"""Schedules and hooks as people see them: which there are, what is planned, what came of it, and who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery

from procedures import access
from procedures.access import managing
from procedures.definitions.load import definition_of
from procedures.domain import parameters, places, planned, standing
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.errors import InvalidInput, NotFound
from procedures.domain.states import VersionState
from procedures.models import Environment, Fire, Person, Procedure, Run, Standing, Version

MOST = 500
SHOWN = 10
HISTORY = 50
SEES = ("view", "run", "approve", "audit")


@dataclass(frozen=True, slots=True)
class Seen:
    """One as a list shows it, with the last that came of it."""

    row: Standing
    last: Fire | None

    @property
    def state(self) -> str:
        return state_of(self.row)


def state_of(row: Standing) -> str:
    """ended, expired, paused or active, in words."""
    if row.ended_at is not None:
        return "ended"
    return "paused" if row.paused_at is not None else "active"


def rows_for(actor: Person, at: datetime, kind: str = "", procedure: str = "") -> QuerySet[Standing]:
    """Those of procedures that this person may view, of places that they mind, and those that they stand behind."""
    seen = Procedure.objects.none()
    for verb in SEES:
        seen = seen | access.visible(Procedure.objects.all(), actor, verb, at=at)
    whose = Q(procedure__in=seen.values("pk")) | Q(environment__in=_minded(actor, at))
    if access.scope_of(actor) is None:  # a token sees what it is for, whoever owns it
        whose |= Q(account__owner=actor) | Q(edited_by=actor)
    rows = Standing.objects.filter(whose)
    rows = rows.filter(kind=kind) if kind else rows
    rows = rows.filter(procedure__name=procedure) if procedure else rows
    return rows.select_related("procedure", "environment", "account__owner", "edited_by", "made_by")


def _minded(actor: Person, at: datetime) -> list[str]:
    """Environments that this person operates, or manages access to: there they stop and end what others set."""
    rows = Environment.objects.all()
    verbs = ("operate", "manage_access")
    return [one.name for one in rows if any(access.decide(actor, v, at=at, environment=one).allowed for v in verbs)]


def locked(pk: UUID) -> Standing:
    """The row, held by this transaction; whoever writes down that a run it follows has ended need not wait."""
    return Standing.objects.select_for_update(of=("self",), no_key=True).get(pk=pk)


def listed(actor: Person, at: datetime, kind: str = "", procedure: str = "") -> list[Seen]:
    """What stands and what is over, those that fire next first."""
    newest = Fire.objects.filter(standing=OuterRef("pk")).order_by("-planned_at", "-pk").values("pk")[:1]
    found = rows_for(actor, at, kind, procedure).distinct().annotate(newest=Subquery(newest))
    rows = list(found.order_by("ended_at", "name")[:MOST])
    rows.sort(key=lambda row: (row.ended_at is not None, row.next_at or row.expires_at, row.name))
    last = Fire.objects.filter(pk__in=[row.newest for row in rows]).select_related("run").in_bulk()
    return [Seen(row, last.get(row.newest)) for row in rows]


def one_seen(actor: Person, kind: str, name: str, at: datetime) -> Standing:
    """Raises NotFound, alike for what is not there and what is not shown."""
    row = rows_for(actor, at, kind).filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no {kind if kind in standing.KINDS else 'schedule'} of that name.")
    return row


def history(row: Standing) -> list[Fire]:
    went_on = Prefetch("runs", Run.objects.filter(continues__isnull=False).order_by("no"), to_attr="went_on")
    rows = row.fires.select_related("run", "followed").prefetch_related(went_on)
    return list(rows.order_by("-planned_at", "-id")[:HISTORY])


@dataclass(frozen=True, slots=True)
class Moment:
    """A planned moment in the schedule's zone and in UTC."""

    there: datetime
    utc: datetime
    zone: str

    @property
    def shown(self) -> tuple[str, str]:
        """As the wall there shows it, and in UTC."""
        return f"{self.there:%a %Y-%m-%d %H:%M}", f"{self.utc:%Y-%m-%d %H:%M}"


def next_ten(object: Mapping[str, Any], after: datetime) -> list[Moment]:
    """The next ten planned moments before it expires; none for what follows a run, or a hook."""
    when = object.get("when", {})
    name = when.get("zone", "UTC")
    zone = planned.zone_of(name) or UTC
    until = parse_moment(object["expires_at"])
    return [Moment(one.astimezone(zone), one, name) for one in planned.next_times(when, after, SHOWN, until)]


def behind(row: Standing, *, profile: str) -> list[tuple[Person, str]]:
    """Everybody who stands behind what it asks for, with their roles (rule 16)."""
    found = [(row.made_by, standing.CREATOR), (row.edited_by, standing.EDITOR)]
    if profile == "separate" and row.confirmed_by is not None:
        found.append((row.confirmed_by, standing.CONFIRMER))
    if row.secret_holder is not None:
        found.append((row.secret_holder, standing.HOLDER))
    holders = [one["holder"] for one in row.object.get("keys", ())]
    found += [(one, standing.HOLDER) for one in Person.objects.filter(subject__in=holders)]
    return found


def may_steer(actor: Person, row: Standing, at: datetime) -> bool:
    """Whether this person may pause and resume it: who made or set it, who owns its account, or who operates there."""
    if actor.pk in {row.made_by_id, row.edited_by_id, row.account.owner_id}:
        return access.within(actor, "run", row.procedure.name, row.environment_id)
    return managing.over(actor, "operate", _place(row), at=at).allowed


def _place(row: Standing) -> places.Place:
    return places.Place(row.procedure.name, (row.environment_id,))


def may_propose(actor: Person, control: str, object: Mapping[str, Any], *, at: datetime) -> bool:
    """Whether this person may propose it without deciding over the place: may run that there, by an account of theirs.

    What one made or set oneself, one may end.
    """
    if control == standing.END:
        row = (
            Standing.objects.filter(kind=str(object.get("kind")), name=str(object.get("name")))
            .select_related("account")
            .first()
        )
        return row is not None and actor.pk in {row.made_by_id, row.edited_by_id, row.account.owner_id}
    procedure = Procedure.objects.filter(name=str(object.get("procedure"))).first()
    environment = Environment.objects.filter(name=str(object.get("environment"))).first()
    owned = Person.objects.filter(owner=actor, is_active=True).values_list("subject", flat=True)
    mine = str(object.get("account")) in set(map(str, owned))
    if procedure is None or environment is None or not mine:
        return False
    resolved = object.get("parameters")
    return access.decide(actor, "run", at=at, procedure=procedure, environment=environment, resolved=resolved).allowed


def accepted(procedure: str, at: datetime) -> Version | None:
    rows = Version.objects.filter(procedure__name=procedure, state=VersionState.ACCEPTED.value, expires_at__gt=at)
    return rows.select_related("procedure").first()


def completed(kind: str, given: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """What was typed, as a whole object: account by its name, the accepted digest, defaults of parameters.

    What is wrong with it is left for the check of the change.
    """
    made = {**given, "targets": given.get("targets", [])}
    named = Person.objects.filter(username=str(given.get("account", ""))).first()
    if named is not None:
        made["account"] = str(named.subject)
    version = accepted(str(given.get("procedure", "")), at)
    if version is not None:
        made.setdefault("digest", version.digest)
    if kind == standing.HOOK:
        return {"keys": [], "a_minute": 6, "proof": standing.ED25519, **made}
    made = {"late": "skip", "overlap": "skip", "parameters": {}, **made}
    if version is not None and isinstance(made["parameters"], Mapping):
        made["parameters"] = _with_defaults(version, made["parameters"])
    return made


def _with_defaults(version: Version, given: Mapping[str, Any]) -> dict[str, Any]:
    files = {row.path: bytes(row.content) for row in version.files.all()}
    try:
        return parameters.resolve(definition_of(files).parameters, given)
    except InvalidInput:
        return dict(given)


def repinned(row: Standing, at: datetime) -> dict[str, Any] | None:
    """The change that is prepared when another version was accepted: the same, for that digest; None if none is due."""
    version = accepted(row.procedure.name, at)
    if row.ended_at is not None or version is None or version.digest == row.object["digest"]:
        return None
    made = {**row.object, "digest": version.digest}
    if row.kind == standing.SCHEDULE:
        made["parameters"] = _with_defaults(version, row.object["parameters"])
    longest = moment(at + standing.LONGEST)
    return {**made, "expires_at": min(made["expires_at"], longest)}


def end_of(row: Standing, reason: str) -> dict[str, Any]:
    """The change that ends it."""
    named = {"kind": row.kind, "name": row.name, "procedure": row.procedure.name}
    return {**named, "environment": row.environment_id, "reason": reason}


def under_way(row: Standing) -> Run | None:
    """A run of it that has not ended, or that was interrupted and goes on by itself."""
    rows = Run.objects.filter(of_fire__standing=row).filter(Q(ended_at__isnull=True) | Q(resume_at__isnull=False))
    return rows.order_by("no").first()


def why_lapsed(said: Mapping[str, Any], at: datetime) -> str:
    """Why nothing goes on by itself of what this asked for, as its run says in evidence; empty if it stands as then."""
    rows = Standing.objects.select_related("edited_by")
    row = rows.filter(kind=said["kind"], name=said["name"]).first()
    called = f"The {said['kind']} {said['name']}"
    if row is None or row.ended_at is not None or row.expires_at <= at:
        return f"{called} stands no more."
    if row.paused_at is not None:
        return f"{called} is paused: {row.paused_why}"
    if not row.edited_by.is_active:
        return f"{called} was set last by {row.edited_by.username}, who has left."
    return f"{called} was set anew since." if str(row.change) != said["change"] else ""


def holding(procedure: Procedure, environment: Environment | None, at: datetime) -> list[Standing]:
    """What stands and may set runs of this off there: for «who may run this?»."""
    rows = Standing.objects.filter(procedure=procedure, ended_at__isnull=True, expires_at__gt=at)
    rows = rows.filter(environment=environment) if environment else rows
    return list(rows.select_related("account", "edited_by", "environment").order_by("kind", "name"))
