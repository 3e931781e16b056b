"""Who gains from an acceptance (C1): everybody whom a grant will let run the version the moment it is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from procedures.domain import windows
from procedures.domain.states import VersionState
from procedures.models import Environment, Grant, GrantRight, Membership, Person, Version

MOST = 500
NAMED = 6


@dataclass(frozen=True, slots=True)
class Gain:
    """One person by one grant. `new` are the environments that come with this version, `kept` those held already.

    `through` says how the grant reaches the person, `limits` what else it demands, `from_at` when it begins.
    """

    person: Person
    grant: Grant
    verb: str
    new: list[str]
    kept: list[str]
    through: str
    limits: list[str]
    from_at: datetime | None
    until_at: datetime


def runs_now(version: Version) -> list[str]:
    """The environments in which the procedure may be run today, by the version that is accepted."""
    rows = version.procedure.versions.filter(state=VersionState.ACCEPTED.value)
    found = rows.exclude(pk=version.pk).first()
    return list(found.definition["environments"]) if found else []


def gains(version: Version, at: datetime) -> list[Gain]:
    """Who will be able to run it, those with something new first; at most 500 rows."""
    wanted = list(
        Environment.objects.filter(name__in=version.definition["environments"]).values_list("name", flat=True)
    )
    held = runs_now(version)
    rights = (
        GrantRight.objects.filter(
            Q(procedure__isnull=True) | Q(procedure=version.procedure_id),
            Q(environment__isnull=True) | Q(environment__in=wanted),
            verb="run",
            ends_at__gt=at,
        )
        .select_related("grant", "grant__group", "grant__procedure", "person", "group")
        .order_by("grant_id")
    )
    reach: dict[tuple[Grant, Person], set[str]] = {}
    members = _members(right.group_id for right in rights if right.group_id)
    for right in rights:
        people = [right.person] if right.person else members.get(right.group_id or 0, [])
        where = wanted if right.environment_id is None else [right.environment_id]
        for person in people:
            if person.is_active:
                reach.setdefault((right.grant, person), set()).update(where)
    found = [_gain(grant, person, where, wanted, held, at) for (grant, person), where in reach.items()]
    return sorted(found, key=lambda gain: (not gain.new, str(gain.person).lower()))[:MOST]


def _members(groups: object) -> dict[int, list[Person]]:
    rows = Membership.objects.filter(group__in=list(groups)).select_related("person")  # type: ignore[call-overload]
    found: dict[int, list[Person]] = {}
    for row in rows:
        found.setdefault(row.group_id, []).append(row.person)
    return found


def _gain(grant: Grant, person: Person, where: set[str], wanted: list[str], held: list[str], at: datetime) -> Gain:
    names = [name for name in wanted if name in where]
    limits = ["parameters limited"] if grant.constraint is not None else []
    limits += [f"targets {grant.target_filter}"] if grant.target_filter else []
    limits += [windows.told(grant.window)] if grant.window else []
    return Gain(
        person=person,
        grant=grant,
        verb="run",
        new=[name for name in names if name not in held],
        kept=[name for name in names if name in held],
        through=_through(grant),
        limits=limits,
        from_at=grant.not_before_at if grant.not_before_at > at else None,
        until_at=grant.expires_at,
    )


def _through(grant: Grant) -> str:
    who = f"group {grant.group.name}, " if grant.group else ""
    if grant.procedure is not None:
        return f"{who}this procedure"
    return f"{who}label {_selected(grant)}" if grant.selector else f"{who}every procedure"


def _selected(grant: Grant) -> str:
    """`qa-safe, today hello, restart-service`: the procedures that the labels let in now, the first six by name."""
    rights = grant.rights.filter(procedure__isnull=False).filter(ends_at=grant.expires_at)
    names = sorted(set(rights.values_list("procedure__name", flat=True)))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{' and '.join(grant.selector)}, today {', '.join(names[:NAMED])}{more}"


def newly(rows: list[Gain]) -> int:
    """How many persons gain something that they have not today."""
    return len({row.person.pk for row in rows if row.new})
