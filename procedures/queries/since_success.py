"""What changed since the last success: a run's plan against that of the last run that succeeded where it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.plan_changes import Change, changes
from procedures.domain.states import RunState
from procedures.evidence.queries import facts_of_run
from procedures.models import Person, Run


@dataclass(frozen=True, slots=True)
class Since:
    """`last` is the run that succeeded last before this one, of the same procedure in the same environment.

    `later`: another one succeeded after it and before this run, which this person may not see.
    """

    last: Run
    changes: Sequence[Change]
    later: bool = False


def since_success(person: Person, run: Run, at: datetime) -> Since | None:
    """What differs from the last success that this person may see; None if there is none, and for drafts."""
    if run.draft or not run.plan:
        return None
    rows = Run.objects.filter(procedure_id=run.procedure_id, environment_id=run.environment_id, draft=False)
    rows = rows.filter(state=RunState.SUCCEEDED.value, no__lt=run.no).order_by("-no")
    seen = access.visible_runs(rows, person, "view", "approve", "audit", at=at)
    last = seen.select_related("version", "requester").first()
    if last is None or not last.plan:
        return None
    then, now = parse(bytes(last.plan)), parse(bytes(run.plan))
    found = [*_version(last, run), *changes(then, now), *_runner(last, run)]
    return Since(last, found, rows.filter(no__gt=last.no).exists())


def _version(last: Run, run: Run) -> Iterator[Change]:
    if last.digest != run.digest:
        says = f"v{run.version.number} instead of v{last.version.number}"
        yield Change("Version", says, run.version_id)


def _runner(last: Run, run: Run) -> Iterator[Change]:
    """The software, and the sandbox, of the runner that first took each."""
    before, after = _claim(last), _claim(run)
    for key, what in (("software", "Runner software"), ("tier", "Sandbox")):
        if before.get(key) and after.get(key) and before[key] != after[key]:
            yield Change(what, f"{after[key]} instead of {before[key]}")


def _claim(run: Run) -> Mapping[str, Any]:
    return next((fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.claimed"), {})
