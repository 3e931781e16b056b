"""The same again: a run asked for once more, whole, or only on the targets where it went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.errors import IllegalState, NotFound
from procedures.domain.states import TERMINAL_RUN_STATES, TaskState
from procedures.models import Person, Run
from procedures.queries import retention
from procedures.services.runs import Wish, request_run

WRONG = frozenset(
    state.value
    for state in (
        TaskState.FAILED,
        TaskState.TIMED_OUT,
        TaskState.CANCELED,
        TaskState.UNREACHABLE,
        TaskState.INTERRUPTED,
    )
)


class NotEnded(IllegalState):
    """The run is still under way, so that another one would do its work twice."""

    code = "run.not-ended"
    next_step = "Wait until it has ended, or cancel it first."


class Purged(IllegalState):
    """Two people agreed to erase what the run was asked with."""

    code = "run.purged"
    next_step = "Ask for a new run of the procedure."


class NothingFailed(IllegalState):
    """No target of the run is in a bad state."""

    code = "run.nothing-failed"
    next_step = "Run it again whole."


@dataclass(frozen=True, slots=True)
class Again:
    """`secrets` were never kept and are given anew; `latest` takes whatever version is accepted today."""

    reason: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    failed_only: bool = False
    latest: bool = False
    door: str = "api"


def rerun(*, actor: Person, run: UUID, again: Again, at: datetime) -> Run:
    """Ask for a new run with the parameters, environment and targets of one that has ended; decided and approved anew.

    Of the same version unless `latest`. Raises NotFound, NotEnded, NothingFailed and what `request_run` raises.
    """
    earlier = access.visible_runs(Run.objects.all(), actor, "view", "approve", "audit", at=at).filter(pk=run).first()
    if earlier is None:
        raise NotFound("There is no such run.")
    if earlier.state not in {state.value for state in TERMINAL_RUN_STATES}:
        raise NotEnded(f"Run #{earlier.no} is {earlier.state.replace('_', ' ')}.")
    if retention.purge_of(earlier) is not None:
        raise Purged(f"Run #{earlier.no} was purged: nothing is left of what it was asked with.")
    targets = went_wrong(earlier) if again.failed_only else list(earlier.narrowed_to)
    if again.failed_only and not targets:
        raise NothingFailed(f"Nothing went wrong on any target of run #{earlier.no}.")
    wish = Wish(
        procedure=earlier.procedure.name,
        environment=earlier.environment_id,
        parameters=earlier.parameters,
        secrets=again.secrets,
        targets=targets,
        reason=again.reason,
        digest=None if again.latest else earlier.digest,
        door=again.door,
        draft=earlier.draft,
        again_of=earlier,
    )
    return request_run(actor=actor, wish=wish, at=at)


def went_wrong(run: Run) -> list[str]:
    """Names of the targets on which a step of the run ended badly, by its last attempt. Called procedures aside."""
    last: dict[tuple[str, str, str], str] = {}
    rows = run.tasks.exclude(target="").exclude(step__contains="/").order_by("attempt")
    for phase, step, target, state in rows.values_list("phase", "step", "target", "state"):
        last[phase, step, target] = state
    planned = {target["name"] for target in parse(bytes(run.plan))["targets"]} if run.plan else set()
    return sorted({target for (*_, target), state in last.items() if state in WRONG} & planned)
