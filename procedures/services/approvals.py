"""Approvals: the second pair of eyes on one plan, before a run starts or at a gate inside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.domain import statements
from procedures.domain.canonical import parse, parse_moment
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.profiles import approvals_missing
from procedures.domain.states import RunState
from procedures.models import Approval, Person, Run
from procedures.queries import deputies
from procedures.queries.duties import duties_of
from procedures.services import step_up
from procedures.services.portal import profile_in_force
from procedures.services.queueing import queue
from procedures.services.run_states import end, note
from procedures.services.signing import Decided, decided
from procedures.services.unit import SecondPersonRequired, thing
from procedures.services.winding import end_or_wind_up


class PlanChanged(IllegalState):
    """The plan named is not the run's plan now."""

    code = "approval.plan-changed"
    next_step = "Look at the plan as it is now, and decide on that."


class ApproverTooLate(NotAllowed):
    """Eligible is who could approve when the run was asked for, and can now."""

    code = "approval.eligible-too-late"
    next_step = "Somebody who could approve already then decides, or the run is asked for again."


class NotWaiting(IllegalState):
    """The run does not wait for an approval."""

    code = "approval.not-awaited"
    next_step = "Look at the run's page: it moved on, or it needs no approval."


def statement_for(*, actor: Person, run: Run, verdict: str, at: datetime) -> dict[str, Any]:
    """A fresh statement over this run's plan (or its open gate), for `actor` to sign."""
    until = run.approval_expires_at or at + timedelta(seconds=run.environment.approval_expiry_s)
    return statements.approval_statement(
        run=run.id,
        gate=run.waiting_gate,
        plan_digest=run.digest_now,
        digest=run.digest,
        verdict=verdict,
        approver=actor.subject,
        not_after=until,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )


def quorum(run: Run) -> dict[str, int]:
    """What the run, or its open gate, needs: `{duty: count}`."""
    if not run.waiting_gate:
        return dict(run.approvals_needed)
    steps = parse(run.plan_now)["steps"]
    step = next(s for s in steps if s["id"] == run.waiting_gate)
    return dict(step["effects"][0]["does"].get("approvers") or {"operations": 1})


def given(run: Run) -> dict[str, list[str]]:
    """Approvals that count now: of this plan and gate, not expired by the run's clock; by approver's subject."""
    rows = Approval.objects.filter(
        run=run, gate=run.waiting_gate, plan_digest=run.digest_now, verdict=Approval.Verdict.APPROVE
    ).select_related("approver")
    return {str(row.approver.subject): row.duties for row in rows}


@thing
def decide_run(
    *,
    actor: Person,
    run: UUID,
    verdict: str,
    plan_digest: str,
    comment: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> Run:
    """Approve or reject a waiting run, or its open gate.

    Raises NotAllowed, SecondPersonRequired, PlanChanged, NotWaiting, TooWeak, StepUpNeeded, BadSignature, InvalidInput,
    NotFound.
    """
    row = Run.objects.select_for_update().select_related("environment", "procedure", "version").filter(pk=run).first()
    if row is None or (
        not access.decide(actor, "view", at=at, procedure=row.procedure).allowed and not _may(actor, row, at)
    ):
        raise NotFound("There is no such run.")
    _outside_chain(actor, row, at)
    access.require(actor, "approve", at=at, procedure=row.procedure, environment=row.environment)
    _could_then(actor, row)
    _fits(row, verdict, plan_digest, at)
    expected = statement_for(actor=actor, run=row, verdict=verdict, at=at)
    decision = decided(
        actor,
        expected,
        signature,
        minimum=row.min_strength,
        at=at,
        free=("nonce", "not_after"),
        bearer=bearer,
        role="approver",
        production=row.environment.production,
    )
    if decision.strength == statements.STRENGTHS[0] and verdict == Approval.Verdict.APPROVE:
        step_up.require(actor, environment=row.environment, risk=row.risk, at=at)
    _store(row, actor, verdict, comment, decision, at)
    if verdict == Approval.Verdict.REJECT:
        _turn_down(row, actor, comment, at)
    elif not approvals_missing(quorum(row), given(row)):
        queue(row, at=at, who=actor.username)
    return row


def _may(actor: Person, run: Run, at: datetime) -> bool:
    return access.decide(actor, "approve", at=at, procedure=run.procedure, environment=run.environment).allowed


def _outside_chain(actor: Person, run: Run, at: datetime) -> None:
    if run.requester_id == actor.pk or run.chain.filter(person=actor).exists():
        raise SecondPersonRequired(f"You stand behind the request of run #{run.no}, so you cannot approve it.")
    if actor.pk in deputies.stand_ins(deputies.behind(run), "approve", at):
        raise SecondPersonRequired(f"You stand in for somebody behind run #{run.no}, so you cannot approve it.")
    author = run.version.authors.filter(person=actor).exists()
    if author and run.risk == "high" and profile_in_force() == "separate":
        raise SecondPersonRequired("You wrote this version; a high-risk run needs an approver who did not.")


def _could_then(actor: Person, run: Run) -> None:
    """Who became an approver after the request approves none of it: nobody is made one for a run (H26)."""
    if not access.could(actor, "approve", run.requested_at, run.procedure, run.environment):
        raise ApproverTooLate(f"You could not approve run #{run.no} when it was asked for, so you cannot now.")


def _fits(run: Run, verdict: str, plan_digest: str, at: datetime) -> None:
    if run.state not in {RunState.AWAITING_APPROVAL, RunState.WAITING} or (
        run.state == RunState.WAITING and (not run.waiting_gate or run.waiting_form)
    ):
        raise NotWaiting(f"Run #{run.no} is {run.state.replace('_', ' ')} and waits for no approval.")
    if verdict not in Approval.Verdict.values:
        raise InvalidInput([("/verdict", f"{verdict!r} is neither approve nor reject")])
    if plan_digest != run.digest_now:
        raise PlanChanged("The plan digest is not that of this run's plan.", pointer="/plan_digest")
    if run.approval_expires_at is not None and run.approval_expires_at <= at and run.state != RunState.WAITING:
        raise NotWaiting(f"The time to approve run #{run.no} ended at {run.approval_expires_at:%H:%M} UTC.")


def _store(run: Run, actor: Person, verdict: str, comment: str, decision: Decided, at: datetime) -> None:
    statement = json.loads(decision.statement)
    until = parse_moment(statement["not_after"])
    latest = at + timedelta(seconds=run.environment.approval_expiry_s)
    if until > latest or until <= at:
        raise statements.StatementMismatch("The statement's not_after lies outside the time to approve.")
    duties = duties_of(actor, since=run.requested_at)
    Approval.objects.create(
        run=run,
        gate=run.waiting_gate,
        approver=actor,
        requester=run.requester,
        plan_digest=run.digest_now,
        verdict=verdict,
        duties=duties,
        comment=comment,
        strength=decision.strength,
        nonce=statement["nonce"],
        statement=decision.statement,
        signatures=[decision.signature],
        at=at,
        not_after_at=until,
    )
    kind = "run.approved" if verdict == Approval.Verdict.APPROVE else "run.turned_down"
    note(
        kind,
        run,
        at=at,
        actor=actor.subject,
        statement=decision.statement,
        signatures=[decision.signature],
        facts={
            "plan_digest": run.digest_now,
            "digest": run.digest,
            "gate": run.waiting_gate,
            "verdict": verdict,
            "duties": duties,
            "strength": decision.strength,
            "comment": comment[:2000],
            **_deputy_for(run, actor, at),
        },
    )


def _deputy_for(run: Run, actor: Person, at: datetime) -> dict[str, list[str]]:
    """For whom this was decided too; the decision counts once, for whoever took it."""
    behind = deputies.behind(run)
    named = deputies.told_for(actor, "approve", at, but=behind, procedure=run.procedure, environment=run.environment)
    return {"deputy_for": named} if named else {}


def _turn_down(run: Run, actor: Person, comment: str, at: datetime) -> None:
    message = f"{actor.name} turned it down" + (f": {comment}" if comment else ".")
    if run.state == RunState.WAITING:
        note("run.gate_refused", run, at=at, actor=actor.subject, facts={"gate": run.waiting_gate})
        end_or_wind_up(run, RunState.FAILED, at=at, actor=actor.subject, who=actor.username, message=message)
    else:
        end(run, RunState.REJECTED, at=at, actor=actor.subject, who=actor.username, message=message)
