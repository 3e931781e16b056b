"""Who is told of schedules and hooks: whoever set one last and whoever owns its account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from procedures.domain.errors import OpsError
from procedures.models import Fire, Person, PreApproval, Procedure, Run, Standing
from procedures.queries import eligible
from procedures.services.notices import tell


def missed(row: Standing, fire: Fire, moments: Sequence[datetime], *, at: datetime) -> None:
    facts = {"count": len(moments), "first": moments[0], "last": moments[-1]}
    _tell("standing.missed", row, f"missed:{fire.pk}", at, facts)


def refused(row: Standing, fire: Fire, problem: OpsError, *, at: datetime) -> None:
    """The code alone: what it says in words stands on the page."""
    _tell("standing.refused", row, f"refused:{fire.pk}", at, {"when": fire.planned_at, "code": problem.code})


def paused(row: Standing, why: str, *, at: datetime) -> None:
    _tell("standing.paused", row, f"paused:{row.pk}:{at.timestamp():.0f}", at, {"when": at})


def approved_ahead(row: Standing, one: PreApproval, *, at: datetime) -> None:
    facts = {"person": one.approver, "count": one.runs, "until": one.not_after_at}
    _tell("standing.approved_ahead", row, f"ahead:{one.pk}", at, facts)


def taken_back(row: Standing, one: PreApproval, actor: Person, *, at: datetime) -> None:
    """Whoever gave it, too."""
    facts = {"person": one.approver, "actor": actor}
    _tell("standing.taken_back", row, f"taken-back:{one.pk}", at, facts, more=_open([one.approver]))


def waits(row: Standing, run: Run, *, at: datetime) -> None:
    """Whoever approved runs of it ahead, too."""
    people = _open(one.approver for one in row.pre_approvals.filter(taken_back_at__isnull=True, not_after_at__gt=at))
    _tell("standing.waits", row, f"waits:{run.pk}", at, {"no": run.no}, more=people)


def _open(people: Iterable[Person]) -> list[Person]:
    return [one for one in people if one.is_active]


def superseded(procedure: Procedure, digest: str, *, at: datetime) -> None:
    """Another version was accepted: what pins this one stops at its next fire, and a re-pin is prepared."""
    rows = Standing.objects.filter(procedure=procedure, ended_at__isnull=True, expires_at__gt=at)
    for row in rows.select_related("procedure", "edited_by", "account__owner"):
        if row.object["digest"] != digest:
            _tell("standing.superseded", row, f"superseded:{row.pk}:{digest[7:23]}", at, {})


def orphaned(row: Standing, person: Person, *, at: datetime) -> None:
    """Managers too: somebody else must set it anew, or end it."""
    people = eligible.managers(at)
    _tell("standing.orphaned", row, f"orphaned:{row.pk}:{person.subject}", at, {"person": person}, more=people)


def _tell(
    kind: str, row: Standing, key: str, at: datetime, facts: Mapping[str, object], more: Sequence[Person] = ()
) -> None:
    owners = [one for one in (row.edited_by, row.account.owner) if one is not None and one.is_active]
    about = {"what": row.kind, "name": row.name, "procedure": row.procedure.name, "environment": row.environment_id}
    path = f"/schedules/{row.kind}/{row.name}/"
    tell(kind, [*owners, *more], key=key, path=path, at=at, facts={**about, **facts})
