"""The claim: in one act a runner takes a run, recomputes what it is about to execute, and decides again (rule 15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q

from procedures import access
from procedures.domain import plan
from procedures.domain.calls import Frame
from procedures.domain.canonical import parse
from procedures.domain.capabilities import strongest
from procedures.domain.definition import Definition
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.profiles import approvals_missing
from procedures.domain.secrets import Secret
from procedures.domain.statements import strong_enough
from procedures.domain.states import RunState, VersionState
from procedures.evidence.queries import accepted_digests
from procedures.models import Approval, Claim, Environment, GlassBreak, Run, Runner, Version
from procedures.queries import stops
from procedures.services import (
    ahead,
    break_glass,
    carried,
    drafts,
    drifts,
    fitness,
    holds,
    letting_in,
    moments,
    plans,
    run_policies,
)
from procedures.services.calls import CalleeChanged
from procedures.services.holding import ClaimLost, beat, hold
from procedures.services.policies import PolicyDenied
from procedures.services.run_states import end, move, note
from procedures.services.versions import recomputed


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this runner now drives. `token` fences: whoever lost the claim can write nothing more."""

    run: Run
    token: UUID
    definition: Definition
    files: Mapping[str, bytes]
    ask: plan.Ask
    deadline: datetime
    frames: Mapping[str, Frame] = field(default_factory=dict)

    def within(self, prefix: str) -> Claimed:
        """The same claim, as a called procedure sees it; "" is the run's own procedure."""
        if not prefix:
            return self
        frame = self.frames[prefix]
        return replace(self, definition=frame.definition, files=frame.files, ask=frame.ask)


class _Refused(Exception):
    """Why a claim refuses the run, in words, and what of it is evidence beside them."""

    def __init__(self, why: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(why)
        self.facts = dict(facts or {})


class _Drifted(Exception):
    """Targets or plan are no longer those that were approved."""


def claim_run(*, run: UUID, runner: Runner, at: datetime) -> Claimed | None:
    """Take a queued run, or None if there is nothing to take (claimed already, refused, drifted) or it has to wait.

    The database's time decides; `at` is the runner's own. Raises ClockSkewed where they are too far apart (H35).
    """
    try:
        return _claim(run, runner, at)
    except holds.Busy:
        return None


def _claim(run: UUID, runner: Runner, at: datetime) -> Claimed | None:
    with transaction.atomic(durable=True):
        at = moments.agreed(at)
        row = (
            Run.objects.select_for_update(of=("self",))
            .select_related("environment", "procedure", "version", "requester")
            .filter(pk=run)
            .first()
        )
        if row is None or row.state != RunState.QUEUED or row.draft is not runner.disposable:
            return None
        if row.approval_expires_at is not None and row.approval_expires_at <= at and not row.started_at:
            end(row, RunState.EXPIRED, at=at, actor=None, who=runner.name, message="The approval expired.")
            return None
        if fitness.unfit(row, runner, at):
            return None
        glass = break_glass.standing(row, at)
        if holds.has_to_wait(row, glass.skips if glass else (), at):
            return None
        try:
            definition, files = _decide_again(row, runner, at)
            planned = _same_plan(row, definition, files, at)
            _use_approvals(row, at, glass)
        except _Refused as refusal:
            end(
                row,
                RunState.DENIED,
                at=at,
                actor=None,
                who=runner.name,
                message=str(refusal),
                facts={"runner": str(runner.id), **refusal.facts},
            )
            return None
        except _Drifted as drift:
            drifts.ask_again(row, definition, files, str(drift), at)
            return None
        return _take(row, runner, definition, files, planned, at)


def _decide_again(run: Run, runner: Runner, at: datetime) -> tuple[Definition, Mapping[str, bytes]]:
    """Everything that the request was allowed by, from scratch; no state column is believed."""
    environment = Environment.objects.get(pk=run.environment_id)
    definition, files = _same_bytes(run)
    if run.draft:
        if why := drafts.refusal(run, environment, definition, at):
            raise _Refused(why)
        return definition, files
    version = run.version
    fine = version.state == VersionState.ACCEPTED or (
        version.state == VersionState.SUPERSEDED and run.requested_at <= version.state_since
    )
    if not fine:
        raise _Refused(f"The version is {version.state}.")
    if version.expires_at is None or version.expires_at <= at:
        raise _Refused("The acceptance of this version has expired.")
    decision = access.decide(
        run.requester,
        "run",
        at=at,
        procedure=run.procedure,
        environment=environment,
        resolved=run.parameters,
        targets=plans.targets_for(definition, environment, run.parameters, run.narrowed_to),
        secrets=run.sealed_secrets,
    )
    if not decision.allowed:
        raise _Refused(f"The request is no longer allowed: {decision.reason}")
    return definition, files


def _same_bytes(run: Run) -> tuple[Definition, Mapping[str, bytes]]:
    """The bytes about to be executed, if their digest is the run's and stands accepted in the evidence log."""
    try:
        definition, files, found = recomputed(run.version)
    except InvalidInput as problem:
        raise _Refused(f"The stored bytes do not even load: {problem.message}") from problem
    if found != run.digest:
        raise _Refused(f"The stored bytes have the digest {found}, accepted was {run.digest}.")
    if not run.draft and run.digest not in accepted_digests(procedure=run.procedure_id):
        raise _Refused(f"The evidence log holds no acceptance of {run.digest}.")
    return definition, files


def _same_plan(run: Run, definition: Definition, files: Mapping[str, bytes], at: datetime) -> plans.Planned:
    approved = parse(bytes(run.plan))
    if plan.plan_digest(bytes(run.plan)) != run.plan_digest:
        raise _Refused("The stored plan is not the one that was approved.")
    try:
        planned = plans.make(run, definition, files, secret_marks=approved["secrets"], at=at)
    except CalleeChanged as problem:
        raise _Refused(problem.message) from problem
    except PolicyDenied as refusal:
        raise _Refused(refusal.message, {"policy": refusal.facts}) from refusal
    except OpsError as problem:
        raise _Drifted(problem.message) from problem
    _callees_accepted(planned)
    if why := letting_in.refusal(_all(definition, planned)):
        raise _Refused(why)
    if planned.digest != run.plan_digest:
        raise _Drifted("Targets, bindings or rules changed since the plan was made.")
    return planned


def _all(definition: Definition, planned: plans.Planned) -> list[Definition]:
    return [definition, *(frame.definition for frame in planned.frames.values())]


def _callees_accepted(planned: plans.Planned) -> None:
    """What the run calls stands accepted in the evidence log too, not only in a table."""
    for frame in planned.frames.values():
        procedure = Version.objects.values_list("procedure", flat=True).get(pk=frame.version)
        if frame.ask.digest not in accepted_digests(procedure=procedure):
            raise _Refused(f"The evidence log holds no acceptance of {frame.ask.digest}, which this run calls.")


def _use_approvals(run: Run, at: datetime, glass: GlassBreak | None) -> None:
    """The approvals that the plan needs are there, strong enough, in time, and used by this run alone."""
    needed, broken = plans.approvals_at_claim(run), break_glass.taken(glass, at)
    if not needed or (broken and not plans.by_software(run)):
        return
    own = Q(run=run, plan_digest=run.plan_digest)
    if carried.approval_speaks_of(run):
        own |= Q(carried_to=run, run=run.continues, plan_digest=run.continues.plan_digest)  # type: ignore[union-attr]
    rows = Approval.objects.filter(own, gate="", verdict=Approval.Verdict.APPROVE).select_related("approver")
    chain = set(run.chain.values_list("person_id", flat=True)) | {run.requester_id}
    counted = {
        str(row.approver.subject): row.duties
        for row in rows
        if row.approver_id not in chain
        and strong_enough(row.strength, run.min_strength)
        and (row.not_after_at > at or (row.used_at if row.run_id == run.pk else run.started_at) is not None)
    }
    let_go, why = ahead.counts_for(run, at)
    lacking = approvals_missing(needed, {**let_go, **counted})
    if lacking and why:
        raise _Drifted(why)
    if lacking:
        raise _Refused(f"Approvals are missing: {', '.join(f'{n} × {duty}' for duty, n in lacking.items())}.")
    rows.filter(used_at__isnull=True).update(used_at=at)


def _take(
    run: Run, runner: Runner, definition: Definition, files: Mapping[str, bytes], planned: plans.Planned, at: datetime
) -> Claimed:
    holds.take(run, holds.needs_of(run, definition, planned), at)
    if stops.of_run(run, [frame.version for frame in planned.frames.values()]) is not None:
        raise holds.Busy("stopped")
    asked = strongest([run.environment.tier, *(one.sandbox for one in _all(definition, planned))])
    token = uuid4()
    started = run.started_at or at
    longest = min(definition.timeout_s, drafts.LONGEST_S) if run.draft else definition.timeout_s
    deadline = run.deadline_at or started + timedelta(seconds=longest)
    move(run, RunState.RUNNING, at=at, who=runner.name, started_at=started, deadline_at=deadline)
    Claim.objects.create(run=run, runner=runner, token=token, claimed_at=at, heartbeat_at=at)
    carried.take_tasks(run, at)
    note(
        "run.claimed",
        run,
        at=at,
        actor=None,
        facts={
            "runner": str(runner.id),
            "digest": run.digest,
            "plan_digest": run.plan_digest,
            "tier": runner.tier,
            **({"tier_asked": asked} if asked else {}),
            "software": runner.software,
            "claim": str(token),
            **run_policies.told(planned.said),
        },
    )
    return Claimed(run, token, definition, planned.files, planned.ask, deadline, planned.frames)


def join(run: Run, runner: Runner, token: UUID, at: datetime) -> Claimed | str:
    """What another runner needs to help with a run under way, everything decided again; or why it may not."""
    if (halted := stops.of_run(run)) is not None:
        return f"{halted.what} is stopped."
    if why := fitness.unfit(run, runner, at):
        return why
    try:
        definition, files = _decide_again(run, runner, at)
        planned = _same_plan(run, definition, files, at)
    except (_Refused, _Drifted) as refusal:
        return str(refusal)
    return Claimed(run, token, definition, planned.files, planned.ask, run.deadline_at or at, planned.frames)


def secrets_of(claimed: Claimed, prefix: str, opened: Mapping[str, Secret]) -> dict[str, Secret]:
    """A run's secrets under the names that one of its frames knows them by."""
    if not prefix:
        return dict(opened)
    return {inner: opened[name] for inner, name in claimed.frames[prefix].secrets.items() if name in opened}


__all__ = ["ClaimLost", "Claimed", "beat", "claim_run", "hold", "join", "secrets_of"]
