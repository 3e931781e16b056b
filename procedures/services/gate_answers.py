"""Answers at a gate that asks: who may give them, what they hold, and the plan that they make (rules 16, 19; H27)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures import access
from procedures.domain import gate_forms, parameters, plan
from procedures.domain.canonical import canon, parse, sha256_hex
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed
from procedures.domain.profiles import approvals_missing
from procedures.domain.states import RunState
from procedures.models import Approval, ChainLink, Person, Run
from procedures.queries import pages_runs
from procedures.queries.duties import duties_of
from procedures.services.claims import hold
from procedures.services.queueing import queue
from procedures.services.run_states import note
from procedures.services.unit import SecondPersonRequired, thing
from procedures.services.winding import end_or_wind_up

ROLE = "answerer"


class NothingAsked(IllegalState):
    """The run does not stand at a gate that asks."""

    code = "run.nothing-asked"
    next_step = "Look at the run's page: it moved on, or it never asked."


class AnotherAnswer(InvalidInput):
    """Several people are asked, and the first of them said something else."""

    code = "run.another-answer"
    next_step = "Give the same values, or turn the gate down."


@thing
def answer_run(*, actor: Person, run: UUID, values: Mapping[str, Any], at: datetime, bearer: bool = False) -> Run:
    """Answer the gate at which a run stands; once enough people did, it goes on. Whoever answers joins the chain.

    Raises NotFound, NothingAsked, NotAllowed, SecondPersonRequired, InvalidInput, AnotherAnswer.
    """
    row, does = _asking(actor, run, at)
    duties = _duties(actor, row, does, at, bearer=bearer)
    given = parameters.resolve(gate_forms.schema(does["form"]), dict(values), prefix="/values")
    mark = sha256_hex(canon(plan.plain(given)))
    earlier = list(row.answers.filter(gate=row.waiting_gate))
    if any(one.values_sha256 != mark for one in earlier):
        raise AnotherAnswer([("/values", "are not those that were given first")])
    if any(one.person_id == actor.pk for one in earlier):
        raise NothingAsked(f"You answered run #{row.no} already; somebody else is asked too.")
    row.answers.create(gate=row.waiting_gate, person=actor, values=given, values_sha256=mark, duties=duties, at=at)
    for person in filter(None, (actor, actor.owner)):
        ChainLink.objects.get_or_create(run=row, person=person, role=ROLE)
    facts = {"gate": row.waiting_gate, "values_sha256": mark, "duties": duties}
    note("run.answered", row, at=at, actor=actor.subject, facts=facts)
    if complete(row, row.waiting_gate, does):
        queue(row, at=at, who=actor.username)
    return row


@thing
def refuse_answer(*, actor: Person, run: UUID, reason: str, at: datetime, bearer: bool = False) -> Run:
    """Turn the gate down: the run fails, and clears up. Raises as `answer_run`."""
    row, does = _asking(actor, run, at)
    _duties(actor, row, does, at, bearer=bearer)
    if why := parameters.text_problem(reason) or ("is longer than 2,000 characters" if len(reason) > 2_000 else ""):
        raise InvalidInput([("/reason", why)])
    note("run.gate_refused", row, at=at, actor=actor.subject, facts={"gate": row.waiting_gate})
    message = f"{actor.name} did not answer" + (f": {reason}" if reason else ".")
    end_or_wind_up(row, RunState.FAILED, at=at, actor=actor.subject, who=actor.username, message=message)
    return row


def does_of(run: Run, gate: str) -> dict[str, Any]:
    """What a gate asks, as the approved plan says it."""
    step = next(row for row in parse(bytes(run.plan))["steps"] if row["id"] == gate)
    does: dict[str, Any] = step["effects"][0]["does"]
    return does


def complete(run: Run, gate: str, does: Mapping[str, Any]) -> bool:
    """Whether everybody who is asked has answered."""
    rows = {str(one.person.subject): one.duties for one in run.answers.filter(gate=gate).select_related("person")}
    wanted = does.get("answerers", "requester")
    return bool(rows) if wanted == "requester" else not approvals_missing(wanted, rows)


def given(run: Run, gate: str) -> dict[str, Any] | None:
    """The values of a gate that was answered, or None."""
    first = run.answers.filter(gate=gate).order_by("id").first()
    return dict(first.values) if first is not None and complete(run, gate, does_of(run, gate)) else None


def all_given(run: Run) -> dict[str, dict[str, Any]]:
    """The values of every gate that was answered, by gate."""
    gates = sorted(set(run.answers.values_list("gate", flat=True)))
    return {gate: values for gate in gates if (values := given(run, gate)) is not None}


def refreeze(*, run: UUID, token: UUID, gate: str, data: bytes, at: datetime) -> Run:
    """The plan as the answers make it: what a later gate shows, and what its approvals name (H27). Raises ClaimLost."""
    with transaction.atomic(durable=True):
        row = hold(run, token)
        was, digest = row.answered_digest or row.plan_digest, plan.plan_digest(data)
        Run.objects.filter(pk=run).update(answered_plan=data, answered_digest=digest)
        note("run.refrozen", row, at=at, actor=None, facts={"gate": gate, "was": was, "plan_digest": digest})
        row.answered_plan, row.answered_digest = data, digest
        return row


def _asking(actor: Person, run: UUID, at: datetime) -> tuple[Run, dict[str, Any]]:
    pages_runs.one_run(actor, run, at)
    row = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure").get(pk=run)
    if row.state != RunState.WAITING or not row.waiting_form:
        raise NothingAsked(f"Run #{row.no} is {row.state.replace('_', ' ')} and asks for nothing.")
    return row, does_of(row, row.waiting_gate)


def _duties(actor: Person, run: Run, does: Mapping[str, Any], at: datetime, *, bearer: bool) -> list[str]:
    """The duties in which somebody answers, none for the requester. Raises what says that they may not."""
    if actor.kind != Person.Kind.PERSON and run.environment.production:
        raise NotAllowed("In production a person answers, never software.")
    if Approval.objects.filter(run=run, approver=actor).exists():
        raise SecondPersonRequired(f"You decided on run #{run.no}, so somebody else answers.")
    wanted = does.get("answerers", "requester")
    if wanted == "requester":
        if run.requester_id != actor.pk:
            raise NotAllowed(f"Run #{run.no} asks whoever asked for it.")
        access.require(actor, "run", at=at, procedure=run.procedure, environment=run.environment)
        return []
    if bearer:
        raise NotAllowed("A bearer token alone does not answer for a duty; sign in.")
    held = [duty for duty in duties_of(actor, since=run.requested_at) if duty in wanted]
    verbs = ("run", "approve")
    may = any(
        access.decide(actor, verb, at=at, procedure=run.procedure, environment=run.environment).allowed
        for verb in verbs
    )
    if not held or not may:
        raise NotAllowed(
            f"Run #{run.no} asks somebody of the duty {' or '.join(sorted(wanted))}, who may run or approve it."
        )
    return held
