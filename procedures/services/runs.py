"""Requests: a person asks for a run; it is refused whole, waits for approval, or is queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.db import transaction

from procedures import access
from procedures.definitions.load import definition_of
from procedures.domain import limits, retention
from procedures.domain.definition import Definition
from procedures.domain.errors import NotAllowed, OpsError
from procedures.domain.policies import Decision
from procedures.domain.states import RunState, VersionState
from procedures.evidence.record import next_run_number, pseudonym
from procedures.models import Environment, Person, Procedure, Run, Version
from procedures.queries.retention import floor_in_force
from procedures.services import (
    agents,
    ahead,
    carried,
    chains,
    drafts,
    holds,
    lacking,
    options,
    plans,
    queue_limits,
    run_groups,
    run_policies,
    step_up,
)
from procedures.services.queueing import await_or_queue
from procedures.services.run_inputs import NotRunnable, Wish, inputs_of
from procedures.services.run_states import note
from procedures.services.unit import thing
from procedures.services.versions import stored_files


class TooManyRuns(OpsError):
    """More runs within a minute than a person may ask for."""

    code = "run.too-many"
    next_step = "Wait a minute and ask again."


@thing
def request_run(*, actor: Person, wish: Wish, at: datetime, chain: Sequence[tuple[Person, str]] = ()) -> Run:
    """Ask for a run. The run is recorded before it is sent (rule 8).

    Raises NotAllowed, StepUpNeeded, InvalidInput, NotRunnable, TooManyRuns, QueueFull, NoTarget, NotBound, GroupBusy,
    NotShared, ReachGrew, PolicyDenied.
    """
    return asked(actor=actor, wish=wish, at=at, chain=chain)


def asked(
    *,
    actor: Person,
    wish: Wish,
    at: datetime,
    chain: Sequence[tuple[Person, str]] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """The same for a service that is in its own transaction already; `facts` say in evidence what it came of."""
    run, definition, marks = _recorded(actor, wish, at, chain, facts)
    carried.note_start(run, wish.why_on, at)
    run_groups.allow(run, definition, at)
    _plan_and_go(run, definition, stored_files(run.version), marks, at, breaks=wish.break_glass)
    return run


def rehearsed(*, actor: Person, wish: Wish, at: datetime, chain: Sequence[tuple[Person, str]]) -> bytes:
    """The plan that this request would get now; nothing of it stays, and no other run hears of it.

    Raises what `request_run` raises.
    """
    with transaction.atomic():
        run, definition, marks = _recorded(actor, wish, at, chain, {})
        plan = plans.make(run, definition, stored_files(run.version), secret_marks=marks, at=at).data
        transaction.set_rollback(True)
    return plan


def _recorded(
    actor: Person, wish: Wish, at: datetime, chain: Sequence[tuple[Person, str]], facts: Mapping[str, Any]
) -> tuple[Run, Definition, Mapping[str, str]]:
    """The request with its evidence, all of it allowed; (run, definition, salted marks of secrets)."""
    verb = "author" if wish.draft else "run"
    procedure = Procedure.objects.filter(name=wish.procedure).first()
    environment = Environment.objects.filter(name=wish.environment).first()
    if procedure is None or environment is None:
        if narrow := access.outside(actor, verb, wish.procedure, wish.environment):
            raise NotAllowed(narrow)
        why = f"No grant lets {actor.username} {verb} {wish.procedure} in {wish.environment}."
        raise NotAllowed.for_want_of(why, verb=verb, procedure=wish.procedure, environment=wish.environment)
    lacking.require(actor, verb, at=at, procedure=procedure, environment=environment)
    if wish.break_glass:
        access.require(actor, "break_glass", at=at, procedure=procedure, environment=environment)
    _not_too_many(actor, at)
    queue_limits.require(actor, environment, wish.priority, draft=wish.draft, at=at)
    version, definition = _what_runs(actor, procedure, environment, wish, at)
    agents.no_secrets(actor, procedure.name, definition.secrets, wish.secrets)
    proof = {} if wish.draft else step_up.require(actor, environment=environment, risk=version.risk, at=at)
    resolved, marks, sealed = inputs_of(definition, environment, wish)
    chosen = {} if wish.draft else _choices(actor, version, environment, definition, resolved, at)
    if wish.again_of is None and wish.continues is None:  # what is run again on less was narrowed then, or went wrong
        plans.require_narrowable(definition, wish.targets)
    targets = plans.targets_for(definition, environment, resolved, wish.targets)
    what = {"resolved": resolved, "targets": targets, "secrets": sealed}
    decision = lacking.require(actor, verb, at=at, procedure=procedure, environment=environment, **what)
    if decision.grant is None:
        raise NotAllowed("No grant decided this request.")
    run = Run.objects.create(
        no=next_run_number(),
        procedure=procedure,
        version=version,
        digest=version.digest,
        environment=environment,
        requester=actor,
        draft=wish.draft,
        door=wish.door,
        reason=wish.reason,
        parameters=resolved,
        sealed_secrets=sealed,
        narrowed_to=list(wish.targets),
        again_of=wish.again_of,
        continues=wish.continues,
        of_fire=wish.of_fire,
        grant=decision.grant.id,
        risk=version.risk,
        state=RunState.REQUESTED.value,
        state_since=at,
        requested_at=at,
        concurrency_group=holds.group_of(definition, environment, resolved),
        **queue_limits.place_of(procedure, wish.priority),
        min_strength=environment.min_strength,
        kept_days=retention.kept_days(definition.evidence, floor_in_force()),
        declared_days=retention.declared_days(definition.evidence),
    )
    chains.link(run, actor, chain)
    said = run_policies.request_said(run, definition, targets, list(marks), at=at)
    more = {**proof, **({"options": dict(chosen)} if chosen else {}), **facts}
    _record_request(run, decision.grant.id, more, said, at)
    return run, definition, marks


def _what_runs(
    actor: Person, procedure: Procedure, environment: Environment, wish: Wish, at: datetime
) -> tuple[Version, Definition]:
    """The accepted version, or the actor's own draft where drafts may run."""
    if not wish.draft:
        version = _accepted(procedure, wish.digest, at)
        return version, definition_of(stored_files(version))
    drafts.require_place(environment)
    version = drafts.standing_draft(actor=actor, procedure=procedure, digest=wish.digest)
    definition = definition_of(stored_files(version))
    drafts.require_harmless(definition, wish.secrets)
    return version, definition


def _choices(
    actor: Person,
    version: Version,
    environment: Environment,
    definition: Definition,
    resolved: Mapping[str, Any],
    at: datetime,
) -> dict[str, Any]:
    """What was chosen from lists that bind, checked again, with each list's digest."""
    schema = definition.parameters
    return options.check(actor=actor, version=version, environment=environment, schema=schema, resolved=resolved, at=at)


def _not_too_many(actor: Person, at: datetime) -> None:
    if actor.kind == Person.Kind.AGENT:
        agents.within_budget(actor, at)
    recent = Run.objects.filter(requester=actor, requested_at__gt=at - timedelta(minutes=1)).count()
    if recent >= limits.RUNS_A_MINUTE:
        raise TooManyRuns(f"You asked for {recent} runs within a minute; {limits.RUNS_A_MINUTE} are the limit.")


def _accepted(procedure: Procedure, digest: str | None, at: datetime) -> Version:
    version = procedure.versions.filter(state=VersionState.ACCEPTED.value, expires_at__gt=at).first()
    if procedure.retired_at is not None:
        raise NotRunnable(f"{procedure.name} retired on {procedure.retired_at:%Y-%m-%d}: {procedure.retired_reason}")
    if version is None:
        raise NotRunnable(f"{procedure.name} has no accepted version.")
    if digest is not None and digest != version.digest:
        raise NotRunnable(
            f"The accepted version of {procedure.name} is {version.digest}, not {digest}.", pointer="/digest"
        )
    return version


def _record_request(run: Run, grant: Any, more: Mapping[str, Any], said: Decision, at: datetime) -> None:
    event = note(
        "run.requested",
        run,
        at=at,
        actor=run.requester.subject,
        header={"e": run.environment_id, "q": pseudonym(run.requester.subject), "no": run.no},
        facts={
            "no": run.no,
            "procedure": run.procedure.name,
            "digest": run.digest,
            "version": str(run.version_id),
            "environment": run.environment_id,
            "requester": str(run.requester.subject),
            "door": run.door,
            "grant": str(grant),
            "chain": chains.told(run),
            "risk": run.risk,
            "kept": {"days": run.kept_days, **({"declared": run.declared_days} if run.declared_days else {})},
            **({"draft": True} if run.draft else {}),
            **({"again_of": str(run.again_of_id)} if run.again_of_id else {}),
            **({"continues": str(run.continues_id)} if run.continues_id else {}),
            **chains.through(run.requester),
            **more,
            **run_policies.told(said),
        },
        sensitive={"/reason": run.reason} if run.reason else {},
    )
    run_policies.keep(run, said, event.id, at)


def _plan_and_go(
    run: Run,
    definition: Definition,
    files: Mapping[str, bytes],
    marks: Mapping[str, str],
    at: datetime,
    *,
    breaks: bool,
) -> None:
    planned = plans.make(run, definition, files, secret_marks=marks, at=at)
    holds.write(run, holds.needs_of(run, definition, planned))
    fields = {
        "plan": planned.data,
        "plan_digest": planned.digest,
        "approvals_needed": dict(planned.ask.approvals),
        "min_strength": planned.ask.min_strength,
    }
    Run.objects.filter(pk=run.pk).update(**fields)
    for name, value in fields.items():
        setattr(run, name, value)
    run_policies.require_calls(run, planned.frames, at=at)
    event = note(
        "run.planned",
        run,
        at=at,
        actor=run.requester.subject,
        facts={
            "plan_digest": planned.digest,
            "digest": run.digest,
            "approvals": dict(planned.ask.approvals),
            "min_strength": planned.ask.min_strength,
            "targets": [t.name for t in planned.ask.targets],
            **run_policies.told(planned.said),
        },
    )
    run_policies.keep(run, planned.said, event.id, at)
    approved = carried.take_approval(run, at) or ahead.take(run, at)
    await_or_queue(run, at=at, breaks=breaks, approved=approved)


__all__ = ["NotRunnable", "TooManyRuns", "Wish", "asked", "request_run"]
