"""What a grant gives against what runs under it used: a verdict per line, and the narrower grant that would do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from procedures import access
from procedures.domain import filters, forms, narrower, uploads
from procedures.domain.canonical import canon, digest, moment, parse
from procedures.domain.definition import of_json
from procedures.domain.observed import DAYS, FLOOR, Line, Verdict
from procedures.domain.text import visible
from procedures.models import Approval, Grant, Membership, Person, Procedure, Review, Run, Target, Task, Version
from procedures.queries import deciding, observed
from procedures.queries.pages_people import grants as known_grants
from procedures.queries.pages_runs import seen_by

RUNS, VALUES, LONGEST = 500, 5, 200
ACTS = ("run", "cancel", "approve", "review", "author")  # verbs whose use leaves a trace of its own
WHY: dict[Verdict, str] = {
    "used": "",
    "unused": "Nothing was done with it in that time.",
    "few": "Too few runs, or given too short a time ago, to say.",
    "unseen": "Looking leaves no trace that would say.",
}


@dataclass(frozen=True, slots=True)
class GrantUse:
    """`days` and `people`: on how many days, and by how many, runs that began were asked for under it."""

    grant: Grant
    since: datetime
    until: datetime
    runs: int
    days: int
    people: int
    last_at: datetime | None
    partial: bool
    lines: tuple[Line, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        return {
            "grant": str(self.grant.pk),
            "since": moment(self.since),
            "until": moment(self.until),
            "runs": self.runs,
            "days": self.days,
            "people": self.people,
            "lines": [[one.kind, one.step, one.what, one.verdict, one.runs] for one in self.lines],
        }

    @property
    def digest(self) -> str:
        return digest(self.body)


def one(actor: Person, grant: Any, at: datetime) -> Grant | None:
    """The grant, if this person may know of it."""
    return next((row for row in known_grants(actor, at) if row.pk == grant), None)


def of_grant(actor: Person, grant: Grant, at: datetime, *, days: int = DAYS) -> GrantUse:
    """The use of a live grant. Whoever decides over it or audits sees all of it; others what they may know of."""
    since = at - timedelta(days=days)
    rows = Run.objects.filter(grant=grant.pk, started_at__isnull=False, requested_at__gte=since).order_by("-id")
    every = list(rows.select_related("procedure")[:RUNS])
    whole = deciding.reach(actor, at=at).ends(grant) or access.decide(actor, "audit", at=at).allowed
    known = set(seen_by(actor, at).filter(pk__in=[run.pk for run in every]).values_list("pk", flat=True))
    runs = every if whole else [run for run in every if run.pk in known]
    reader = _Reader(actor, grant, runs, since, at)
    return GrantUse(
        grant=grant,
        since=since,
        until=at,
        runs=len(runs),
        days=len({run.requested_at.date() for run in runs}),
        people=len({run.requester_id for run in runs}),
        last_at=max((run.requested_at for run in runs), default=None),
        partial=len(runs) < len(every),
        lines=tuple(reader.lines()),
    )


@dataclass(slots=True)
class _Reader:
    actor: Person
    grant: Grant
    runs: list[Run]
    since: datetime
    at: datetime

    @property
    def old(self) -> bool:
        """Whether the grant held all through the window."""
        return max(self.grant.not_before_at, self.grant.created_at) <= self.since

    @property
    def enough(self) -> bool:
        return len(self.runs) >= FLOOR

    def lines(self) -> Iterator[Line]:
        yield from self._verbs()
        yield from self._places()
        yield from self._procedures()
        yield from self._targets()
        yield from self._parameters()

    def _line(self, kind: str, what: str, dates: Collection[datetime], *, ready: bool, why: str = "") -> Line:
        verdict: Verdict = "used" if dates else "unused" if ready else "few"
        cut = verdict == "unused" and kind in {"verb", "environment"}
        return Line(kind, "", what, verdict, len(dates), max(dates, default=None), why or WHY[verdict], cut)

    def _verbs(self) -> Iterator[Line]:
        for verb in self.grant.verbs:
            if verb in ACTS:
                yield self._line("verb", verb, self._acts(verb), ready=self.old)
            else:
                yield Line("verb", "", verb, "unseen", 0, None, WHY["unseen"])

    def _acts(self, verb: str) -> list[datetime]:
        """When its holders did that where the grant gives it; which of several grants it rested on is not known."""
        if verb == "run":
            return [run.requested_at for run in self.runs]
        of = self._scope
        reads: dict[str, Any] = {
            "cancel": (Run.objects.filter(of("")), "cancel_requested_by", "cancel_requested_at"),
            "approve": (Approval.objects.filter(of("run__")), "approver", "at"),
            "review": (Review.objects.filter(of("version__", places=False)), "reviewer", "at"),
            "author": (Version.objects.filter(of("", places=False)), "submitter", "submitted_at"),
        }
        rows, who, when = reads[verb]
        rows = rows.filter(**{f"{who}__in": self._holders(), f"{when}__gte": self.since})
        return list(rows.order_by(f"-{when}").values_list(when, flat=True)[:RUNS])

    def _holders(self) -> list[int]:
        if self.grant.person_id is not None:
            return [self.grant.person_id]
        return list(Membership.objects.filter(group=self.grant.group).values_list("person", flat=True))

    def _scope(self, prefix: str, *, places: bool = True) -> Q:
        found = Q(**{f"{prefix}procedure": self.grant.procedure}) if self.grant.procedure_id else Q()
        if places and self.grant.environments:
            found &= Q(**{f"{prefix}environment__in": self.grant.environments})
        return found

    def _places(self) -> Iterator[Line]:
        dates: dict[str, list[datetime]] = {}
        for run in self.runs:
            dates.setdefault(run.environment_id, []).append(run.requested_at)
        for name in self.grant.environments or sorted(dates):
            yield self._line("environment", name, dates.get(name, ()), ready=bool(dates) and (self.enough or self.old))
        if not self.grant.environments and dates and self.enough:
            less = " ".join(sorted(dates))
            yield Line(
                "environments", "", "every environment", "unused", len(self.runs), None, f"Only in {less}.", True, less
            )

    def _procedures(self) -> Iterator[Line]:
        if self.grant.procedure_id is not None:
            return
        dates: dict[Procedure, list[datetime]] = {}
        for run in self.runs:
            dates.setdefault(run.procedure, []).append(run.requested_at)
        named = self._may_know(dates)
        for procedure in sorted(named, key=lambda row: row.name):
            yield self._line("procedure", procedure.name, dates[procedure], ready=False)
        if hidden := len(dates) - len(named):
            yield Line("procedure", "", f"{hidden} that you may not see", "used", hidden, None, "")
        if len(dates) == 1 and named and self.enough and not self.grant.selector:
            (only,) = named
            why = f"Only {only.name} was run under it."
            yield Line("procedures", "", "every procedure", "unused", len(self.runs), None, why, True, only.name)

    def _may_know(self, procedures: Collection[Procedure]) -> list[Procedure]:
        rows = Procedure.objects.filter(pk__in=[row.pk for row in procedures])
        known = {
            pk
            for verb in ("discover", "view", "manage_access", "audit")
            for pk in access.visible(rows, self.actor, verb, at=self.at).values_list("pk", flat=True)
        }
        return [row for row in procedures if row.pk in known]

    def _targets(self) -> Iterator[Line]:
        done = Task.objects.filter(run__in=[run.pk for run in self.runs]).exclude(target="")
        used = set(done.values_list("target", flat=True).distinct()[: observed.REACH])
        if not used:
            return
        there = self._reach()
        less = narrower.filter_of(self.grant.target_filter or "*", used, there) if self.enough else ""
        what = self.grant.target_filter or "every target"
        why = f"{len(used)} were acted on; it reaches {len(there)} now."
        last = max(run.requested_at for run in self.runs)
        yield Line("targets", "", what, "used", len(self.runs), last, why, bool(less), less)

    def _reach(self) -> list[Target]:
        version = self._version()
        where = self.grant.environments
        rows: list[Target] = (
            observed.reach(of_json(version.definition), where)
            if version is not None
            else list(Target.objects.filter(ended_at__isnull=True).order_by("name")[: observed.REACH])
        )
        bound = filters.parse(self.grant.target_filter or "*").bind({})
        return [row for row in rows if bound.matches(row) and (not where or row.environment_id in where)]

    def _version(self) -> Version | None:
        procedure = self.grant.procedure
        return procedure.versions.filter(state="accepted").first() if procedure is not None else None

    def _parameters(self) -> Iterator[Line]:
        """Ranges and choices, where every run gave the same parameters: a limit names all of them (H8)."""
        names = {tuple(sorted(run.parameters)) for run in self.runs}
        if self.grant.procedure_id is None or len(names) != 1:
            return
        for name in next(iter(names)):
            values = [run.parameters[name] for run in self.runs]
            shape = limit_of(values)
            text = visible(_told(shape), code=True)[:200] if shape else "too many values"
            cut = bool(shape) and self.enough and self.grant.constraint is None and name not in self._files()
            less = canon(shape).decode() if shape and cut else ""
            yield Line("parameter", "", name, "used", len(values), None, text, bool(less), less)

    def _files(self) -> list[str]:
        version = self._version()
        return uploads.file_parameters(version.definition["parameters"]) if version is not None else []


def limit_of(values: Collection[Any]) -> dict[str, Any]:
    """The schema of what was given: a range of whole numbers, or up to five words; nothing for anything else."""
    if not values:
        return {}
    if all(isinstance(one, int) and not isinstance(one, bool) for one in values):
        return {"type": "integer", "minimum": min(values), "maximum": max(values)}
    words = all(isinstance(one, bool) or (isinstance(one, str) and len(one) <= LONGEST) for one in values)
    if words and len(set(values)) <= VALUES:
        return {"enum": sorted(set(values), key=str)}
    return {}


def _told(shape: dict[str, Any]) -> str:
    return ", ".join(map(str, shape["enum"])) if "enum" in shape else f"{shape['minimum']} to {shape['maximum']}"


def constraint_of(grant: Grant, chosen: Collection[Line], every: Collection[Line]) -> dict[str, Any]:
    """`constraint` and `unconstrained` that hold the chosen parameters to what was given, and leave the rest open."""
    less = {line.what: parse(line.less.encode()) for line in chosen}
    version = grant.procedure.versions.filter(state="accepted").first() if grant.procedure is not None else None
    shape = version.definition if version is not None else {}
    files = uploads.file_parameters(shape.get("parameters") or {})
    free = sorted({*files, *forms.every_property(shape.get("secrets") or {})})
    named = [line.what for line in every if line.kind == "parameter" and line.what not in files]
    made = {"constraint": {"properties": {name: less.get(name, {}) for name in named}}}
    return made | ({"unconstrained": free} if free else {})
