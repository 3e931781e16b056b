"""Who holds a run: the claim's token fences, so that whoever lost the claim can write nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar
from uuid import UUID

from procedures.domain.errors import OpsError
from procedures.domain.states import VersionState
from procedures.models import Claim, Run, Runner, StepBatch, Version
from procedures.queries import stops
from procedures.services import agents
from procedures.services.moments import database_now

Held = TypeVar("Held", Claim, StepBatch)


class ClaimLost(OpsError):
    """Another runner, the sweeper or a cancel ended this claim."""

    code = "claim.lost"
    next_step = "Nothing: the runner stops what it was doing."


def beat(*, run: UUID, token: UUID, calls: Sequence[str] = ()) -> Literal["", "cancel", "stop"]:
    """Say that the runner lives; hear whether the run must stop. Raises ClaimLost, also once its runner was ended.

    `stop` (rule 20): its version, or one of those it `calls`, was revoked with all that runs, or a stop switch was
    thrown: of the portal, its environment, its procedure, one that it calls, or the agent that asked.
    """
    mine = Claim.objects.filter(pk=run, token=token, runner__ended_at__isnull=True)
    if not mine.update(heartbeat_at=database_now()):
        raise ClaimLost("This run is claimed by somebody else, or has ended.")
    return word_for(run, calls)


def word_for(run: UUID, calls: Sequence[str]) -> Literal["", "cancel", "stop"]:
    """What whoever works on this run is to hear now."""
    asked, version, environment, procedure, agent = Run.objects.values_list(
        "cancel_requested_at", "version_id", "environment_id", "procedure_id", "requester__agent"
    ).get(pk=run)
    stopped = stops.of_place(environment, procedure, calls)
    revoked = Version.objects.filter(pk__in=[version, *calls], state=VersionState.REVOKED.value, stops_runs=True)
    if stopped is not None or revoked.exists() or (agent is not None and agents.stopped(agent)):
        return "stop"
    return "cancel" if asked is not None else ""


def hold(run: UUID, token: UUID) -> Run:
    """The run, locked, if this claim still holds it. Call inside a transaction. Raises ClaimLost."""
    claim = Claim.objects.select_for_update().filter(pk=run, token=token).first()
    if claim is None:
        raise ClaimLost("This run is claimed by somebody else, or has ended.")
    _living(claim)
    return Run.objects.select_related("environment", "procedure", "version", "requester").get(pk=run)


def hold_part(run: UUID, token: UUID) -> Run:
    """The same for who drives the run or carries out a batch of it: enough to write tasks, and never to end the run."""
    holder_of(run, token)
    return Run.objects.select_related("environment", "procedure", "version", "requester").get(pk=run)


def holder_of(run: UUID, token: UUID) -> Claim | StepBatch:
    """The claim with this token, or the batch that was taken under it; the claim is locked. Raises ClaimLost."""
    claim = Claim.objects.select_for_update().filter(pk=run).first()
    if claim is not None and claim.token == token:
        return _living(claim)
    taken = StepBatch.objects.filter(run=run, token=token, state=StepBatch.State.TAKEN)
    found = None if claim is None else taken.filter(claim=claim.token).first()
    if found is None:
        raise ClaimLost("This run is claimed by somebody else, or has ended.")
    return _living(found)


def _living(held: Held) -> Held:
    """What a runner holds that nobody ended. Asked once the claim is locked: whoever ends a runner locks it first, so
    that nothing of the runner is written after its end. Raises ClaimLost.
    """
    if Runner.objects.filter(ended_at__isnull=False, pk__in=[held.runner_id]).exists():
        raise ClaimLost("This runner was ended.")
    return held
