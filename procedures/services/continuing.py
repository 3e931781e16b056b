"""Going on after an ending (decisions.md, 8; decisions/0029): a new run that skips what the one before it has done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.continuing import GOOD, LeftOver, unsafe
from procedures.domain.errors import IllegalState, NotFound, OpsError
from procedures.domain.states import TERMINAL_RUN_STATES, RunState
from procedures.evidence.queries import facts_of_run
from procedures.models import Person, Run
from procedures.queries import standing
from procedures.services import carried, following, telling
from procedures.services.run_inputs import Wish
from procedures.services.runs import asked
from procedures.services.unit import thing

log = structlog.get_logger(__name__)
SWEEPER = carried.SWEEPER
IN_A_ROW = 3
SETTLES = timedelta(seconds=30)  # so long the next runner has to find out what still runs on the targets
OVER = frozenset(state.value for state in TERMINAL_RUN_STATES)
FROM = frozenset({RunState.INTERRUPTED.value, RunState.FAILED.value})


class NothingToGoOnWith(IllegalState):
    """The run did not end in the middle of its work, or another run goes on with it already."""

    code = "run.nothing-to-go-on-with"
    next_step = "Look at the run's page; to do all of it again, start a new run."


class NotSafeToGoOn(IllegalState):
    """What is owed began already, and its author did not declare that it may be done twice."""

    code = "run.not-safe-to-go-on"
    next_step = "Look at the targets, put right what was left half done, then start a new run."


@dataclass(frozen=True, slots=True)
class GoOn:
    """How a door asks for it."""

    reason: str = ""
    door: str = "api"


@thing
def continue_run(*, actor: Person, run: UUID, how: GoOn, at: datetime) -> Run:
    """Ask for a new run of the same version, parameters and targets that skips what the one before it finished.

    Its approval is carried over once, while it lasts and nothing has drifted.

    Raises NotFound, NothingToGoOnWith, NotSafeToGoOn and what `request_run` raises.
    """
    seen = access.visible_runs(Run.objects.all(), actor, "view", "approve", "audit", at=at)
    earlier = seen.select_related("procedure", "environment").filter(pk=run).first()
    if earlier is None:
        raise NotFound("There is no such run.")
    access.require(actor, "run", at=at, procedure=earlier.procedure, environment=earlier.environment)
    return _go_on(actor, run, how, at)


def _go_on(actor: Person, run: UUID, how: GoOn, at: datetime) -> Run:
    rows = Run.objects.select_for_update(of=("self",)).select_related("procedure", "version", "environment")
    earlier = rows.get(pk=run)
    if why := refusal(earlier):
        raise why
    said = _standing_of(earlier)
    if said and how.door == SWEEPER and (lapsed := standing.why_lapsed(said, at)):
        raise NothingToGoOnWith(lapsed)
    wish = Wish(
        procedure=earlier.procedure.name,
        environment=earlier.environment_id,
        parameters=earlier.parameters,
        targets=list(earlier.narrowed_to),
        reason=earlier.reason,
        digest=earlier.digest,
        door=how.door,
        continues=earlier,
        of_fire=earlier.of_fire,
        why_on=how.reason,
    )
    chain = [(link.person, link.role) for link in earlier.chain.select_related("person")]
    made = asked(actor=actor, wish=wish, at=at, chain=chain, facts={"standing": said} if said else {})
    Run.objects.filter(pk=run).update(resume_at=None)
    if how.door == SWEEPER:
        telling.goes_on(made, earlier, at=at)
    return made


def _standing_of(run: Run) -> dict[str, Any]:
    """The schedule or hook that a run came of, as its request says in evidence; empty for any other."""
    asked = next((fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.requested"), {})
    return dict(asked.get("standing", {}))


def refusal(earlier: Run) -> IllegalState | None:
    """Why nobody can go on with this run, or None."""
    if earlier.state not in FROM or earlier.draft or not earlier.plan or earlier.started_at is None:
        state = earlier.state.replace("_", " ")
        return NothingToGoOnWith(f"Run #{earlier.no} {'is a draft' if earlier.draft else f'is {state}'}.")
    for later in earlier.continued_by.all():
        if later.started_at is not None or later.state not in OVER:
            return NothingToGoOnWith(f"Run #{later.no} goes on with run #{earlier.no} already.")
    left = carried.left_of(earlier)
    planned = parse(bytes(earlier.plan))
    if planned["secrets"] and not earlier.sealed_secrets:
        return NothingToGoOnWith(f"What was asked for at the launch of run #{earlier.no} is deleted.")
    failed = earlier.state == RunState.FAILED
    if failed and not _went_wrong(left):
        return NothingToGoOnWith(f"No step of run #{earlier.no} failed: {earlier.message}")
    steps = unsafe(planned, left, failed=failed)
    return NotSafeToGoOn(_told(earlier, steps)) if steps else None


def _went_wrong(left: LeftOver) -> bool:
    return any(one.state not in GOOD and one.phase == "steps" for one in left.again)


def _told(earlier: Run, steps: list[tuple[str, str]]) -> str:
    named = [f"{step} on {label}" if label else step for step, label in steps]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    word = "failed" if earlier.state == RunState.FAILED else "lost contact"
    return (
        f"Run #{earlier.no} {word}, and what would be done again is not declared idempotent: "
        f"{', '.join(named[:5])}{more}."
    )


def chain_of(run: Run) -> Iterator[Run]:
    """The run that this one goes on with, the one before that, and so on."""
    while run.continues is not None:
        run = run.continues
        yield run


def goes_on_by_itself(run: Run, at: datetime) -> datetime | None:
    """When the sweeper goes on with a run that was just interrupted, if it may: all that is owed may be done twice.

    At most three times in a row, and only within the time that the run had.
    """
    by_itself = [one for one in [run, *chain_of(run)] if one.door == SWEEPER]
    if run.deadline_at is None or run.deadline_at <= at or len(by_itself) >= IN_A_ROW or refusal(run) is not None:
        return None
    return at + SETTLES


def go_on_by_itself(*, at: datetime) -> int:
    """Go on with interrupted runs whose time has come, as whoever asked for them. Returns how many."""
    due = Run.objects.filter(state=RunState.INTERRUPTED.value, resume_at__isnull=False)
    made = 0
    for run in due.select_related("requester").order_by("id")[:100]:
        settled = not run.tasks.filter(state="interrupted", remote="unknown").exists()
        if run.deadline_at is None or run.deadline_at <= at:
            _stays(run.pk, at)
        elif settled or (run.resume_at is not None and run.resume_at <= at):
            made += _try(run, at)
    return made


def _try(run: Run, at: datetime) -> bool:
    """Once: what refuses it now would refuse a person too, who sees why on the run's page."""
    try:
        continue_run(actor=run.requester, run=run.pk, how=GoOn(door=SWEEPER), at=at)
    except OpsError as problem:
        log.info("run.goes_on.refused", run=str(run.pk), code=problem.code, why=problem.message)
        _stays(run.pk, at)
        return False
    except Exception:
        _stays(run.pk, at)  # else it would be tried again every second, before everything that the sweeper does later
        raise
    return True


def _stays(run: UUID, at: datetime) -> None:
    """It stays interrupted, unless another sweeper went on with it meanwhile; what follows it is due now."""
    with transaction.atomic():
        row = Run.objects.select_for_update(of=("self",)).get(pk=run)
        if row.resume_at is not None:
            Run.objects.filter(pk=run).update(resume_at=None)
            following.note_followers(row, RunState.INTERRUPTED, at=at)


def after_interruption(run: Run, at: datetime) -> None:
    """It goes on by itself in a while; else what follows it is due now. Call in the transaction that ended it."""
    resume_at = goes_on_by_itself(run, at)
    Run.objects.filter(pk=run.pk).update(resume_at=resume_at)
    if resume_at is None:
        following.note_followers(run, RunState.INTERRUPTED, at=at)
