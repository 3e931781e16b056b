"""Approving runs of a schedule ahead, and taking that back: signed by somebody outside it, for so many runs (H24)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.domain import ahead, standing, statements
from procedures.domain.canonical import canon, parse
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.profiles import approvals_missing
from procedures.evidence.record import record
from procedures.models import Person, PreApproval, Standing, Version
from procedures.queries import ahead as queries
from procedures.queries.duties import duties_of
from procedures.queries.standing import accepted, behind, locked, one_seen
from procedures.services import runs, telling_standing
from procedures.services.approvals import PlanChanged
from procedures.services.fires import wish_of
from procedures.services.portal import profile_in_force
from procedures.services.signing import decided
from procedures.services.unit import SecondPersonRequired, thing


class NotAhead(IllegalState):
    """No run of this schedule can be approved ahead as things stand."""

    code = "ahead.not-possible"
    next_step = "Approve each run when it waits; or have the schedule or the rules of its environment changed first."


class TakenBack(IllegalState):
    """It was taken back, or is over."""

    code = "ahead.already-over"
    next_step = "Look at the schedule's page: it lets nothing go any more."


@dataclass(frozen=True, slots=True)
class Offer:
    """What could be approved ahead now: `plan` is what each run would do, `data` its bytes, `needed` the quorum."""

    row: Standing
    plan: Mapping[str, Any]
    data: bytes
    needed: Mapping[str, int]

    @property
    def digest(self) -> str:
        return ahead.work_digest(self.plan)


def offer(*, actor: Person, name: str, at: datetime) -> Offer:
    """The plan that the next run would get, rehearsed and taken back. Raises NotFound, NotAllowed, NotAhead,
    SecondPersonRequired, and what asking for the run would raise.
    """
    row = one_seen(actor, standing.SCHEDULE, name, at)
    access.require(actor, "approve", at=at, procedure=row.procedure, environment=row.environment)
    version = accepted(row.procedure.name, at)
    if why := queries.barred(actor, row, at, profile=profile_in_force(), version=version):
        raise SecondPersonRequired(why)
    _stands(row, version, at)
    plan = _rehearsed(row, at)
    if not plan["approvals"]:
        raise NotAhead(f"No run of {row.name} needs an approval as things stand: there is nothing to approve.")
    data = canon(ahead.work(plan))
    if len(data) > ahead.MOST_BYTES:
        raise NotAhead(f"The plan of a run is longer than {ahead.MOST_BYTES:,} bytes, which evidence would hold whole.")
    return Offer(row, ahead.work(plan), data, plan["approvals"])


def _stands(row: Standing, version: Version | None, at: datetime) -> None:
    if row.ended_at is not None or row.paused_at is not None or row.expires_at <= at:
        raise NotAhead(f"{row.name} is paused, or stands no more.")
    if version is None or version.digest != row.object["digest"]:
        raise NotAhead(f"{row.name} pins a version that is not the accepted one: it is set anew first.")
    if not ahead.allowed(queries.rules_of(row.environment), version.risk):
        raise NotAhead(f"The rules of {row.environment_id} let no run of {version.risk} risk be approved ahead.")


def _rehearsed(row: Standing, at: datetime) -> dict[str, Any]:
    """Twice, under two ids: what names its own run is another plan each time, and nobody could have looked at it."""
    one, two = (
        parse(
            runs.rehearsed(
                actor=row.account,
                wish=wish_of(row, row.object["parameters"]),
                at=at,
                chain=behind(row, profile=profile_in_force()),
            )
        )
        for _ in range(2)
    )
    if ahead.work_digest(one) != ahead.work_digest(two):
        raise NotAhead("Its plan is another one each time, since it names its own run or draws the order of targets.")
    return dict(one)


def statement_for(*, actor: Person, found: Offer, count: int, until: datetime, at: datetime) -> dict[str, Any]:
    """A fresh statement over so many runs of this plan, for `actor` to sign. Raises InvalidInput, NotAhead."""
    problems = []
    if not 1 <= count <= ahead.MOST_RUNS:
        problems.append(("/runs", f"is a number of runs from 1 to {ahead.MOST_RUNS:,}"))
    if not at < until <= ahead.latest(at, found.row.expires_at):
        latest = ahead.latest(at, found.row.expires_at)
        problems.append(("/not_after", f"lies ahead, and no later than {latest:%Y-%m-%d %H:%M} UTC"))
    if problems:
        raise InvalidInput(problems)
    made = ahead.statement(
        schedule=found.row.name,
        change=found.row.change,
        account=str(found.row.account.subject),
        plan=found.plan,
        runs=count,
        not_after=until,
        approver=actor.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )
    if (size := len(canon(made))) > ahead.MOST_SIGNED:
        raise NotAhead(f"What you would sign has {size:,} bytes, too long to be read: {len(made['targets'])} targets.")
    return made


@thing
def approve_ahead(
    *,
    actor: Person,
    name: str,
    count: int,
    until: datetime,
    plan_digest: str,
    comment: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> PreApproval:
    """Let the next `count` runs of a schedule go until a moment, as long as each does exactly this. Always signed.

    Raises what `offer` and `statement_for` raise, PlanChanged, TooWeak, BadSignature, KeyTooNew, StatementMismatch.
    """
    row = locked(one_seen(actor, standing.SCHEDULE, name, at).pk)
    found = offer(actor=actor, name=name, at=at)
    if plan_digest != found.digest:
        raise PlanChanged("The plan digest is not that of what the next run would do.", pointer="/plan_digest")
    duties = _duties(actor, found)
    expected = statement_for(actor=actor, found=found, count=count, until=until, at=at)
    production = row.environment.production
    decision = decided(
        actor, expected, signature, minimum="signed", at=at, bearer=bearer, role="approver", production=production
    )
    said = parse(decision.statement)
    if PreApproval.objects.filter(nonce=said["nonce"]).exists():
        raise statements.StatementMismatch("This statement was handed in before.", pointer="/signature/statement")
    event = record(
        ahead.GIVEN,
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        statement=decision.statement,
        signatures=[decision.signature],
        facts={
            "ahead": said["nonce"],
            "standing": row.kind,
            "name": row.name,
            **{part: said[part] for part in ahead.NAMED if part != "schedule"},
            "schedule": row.name,
            "duties": duties,
            "strength": decision.strength,
            "comment": comment[:2000],
            "work": found.plan,
        },
    )
    made = PreApproval.objects.create(
        standing=row,
        change=row.change,
        approver=actor,
        duties=duties,
        comment=comment[:2000],
        plan=found.data,
        plan_digest=found.digest,
        runs=count,
        nonce=said["nonce"],
        statement=decision.statement,
        signatures=[decision.signature],
        event=event.id,
        at=at,
        not_after_at=until,
    )
    telling_standing.approved_ahead(row, made, at=at)
    return made


def _duties(actor: Person, found: Offer) -> list[str]:
    """Duties of this person that the runs ask for. Raises NotAllowed where that brings them no nearer."""
    duties = [duty for duty in duties_of(actor) if duty in found.needed]
    if approvals_missing(found.needed, {"": duties}) == approvals_missing(found.needed, {}):
        wanted = ", ".join(f"{number} × {duty}" for duty, number in found.needed.items())
        raise NotAllowed(f"You fill no duty that these runs ask for: {wanted}.")
    return duties


@thing
def take_back(*, actor: Person, name: str, pre_approval: UUID, reason: str, at: datetime) -> PreApproval:
    """From this instant it lets nothing go: by whoever gave it, or manages access there. It only takes away, so a
    session is enough, whatever the environment. What has begun goes on. Raises NotFound, NotAllowed, TakenBack.
    """
    row = one_seen(actor, standing.SCHEDULE, name, at)
    rows = PreApproval.objects.select_for_update(of=("self",)).select_related("approver", "standing__procedure")
    one = rows.filter(pk=pre_approval, standing=row).first()
    if one is None:
        raise NotFound("There is no such approval.")
    if not queries.may_take_back(actor, one, at):
        raise NotAllowed(f"{one.approver.username} takes this back, or whoever manages access there.")
    if one.taken_back_at is not None or one.not_after_at <= at:
        raise TakenBack("It was taken back before, or its time is over.")
    record(
        ahead.TAKEN_BACK,
        actor=actor.subject,
        at=at,
        procedure=row.procedure_id,
        facts={
            "ahead": one.nonce,
            "standing": row.kind,
            "name": row.name,
            "change": str(one.change),
            "environment": row.environment_id,
            "reason": reason[:300],
        },
    )
    PreApproval.objects.filter(pk=one.pk).update(taken_back_at=at, taken_back_by=actor, taken_back_why=reason[:300])
    one.refresh_from_db()
    telling_standing.taken_back(row, one, actor, at=at)
    return one
