"""Break-glass: a person with that permission lets a run go ahead unapproved, signed and loud; another reviews it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.access import Decision
from procedures.definitions.load import definition_of
from procedures.domain import break_glass, queue_order, signatures, statements
from procedures.domain.canonical import parse, parse_moment
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.domain.states import RunState
from procedures.evidence.record import record
from procedures.models import EnrolledKey, GlassBreak, Grant, Person, Run
from procedures.queries import deputies
from procedures.queries.glass import earlier_uses, may_judge, reviewers_barred
from procedures.services import plans, telling
from procedures.services.queueing import queue
from procedures.services.signing import decided
from procedures.services.unit import SecondPersonRequired, thing
from procedures.services.versions import stored_files


class GlassHolds(NotAllowed):
    """The glass may not be broken now: too often, or an earlier use was never reviewed."""

    code = "break-glass.holds"
    next_step = "Ask for an approval; have your earlier use reviewed, or let another holder decide."


class NothingToSkip(IllegalState):
    """The run waits for no approval and for no end of a freeze."""

    code = "break-glass.nothing-to-skip"
    next_step = "Look at the run's page: it moved on, or it needs no approval."


class ReviewedAlready(IllegalState):
    """Somebody has reviewed this use."""

    code = "break-glass.reviewed-already"
    next_step = "Look at the register of break-glass."


def skipped_by(run: Run, at: datetime) -> list[str]:
    """What breaking the glass would skip now."""
    frozen = run.environment.frozen_until_at is not None and run.environment.frozen_until_at > at
    return [*(["approval"] if run.approvals_needed else []), *(["freeze"] if frozen else [])]


def statement_for(*, actor: Person, run: Run, reason: str, at: datetime) -> dict[str, Any]:
    """A fresh statement over this run's plan, for `actor` to sign."""
    return break_glass.statement(
        run=run.id,
        plan_digest=run.plan_digest,
        digest=run.digest,
        reason=reason,
        skips=skipped_by(run, at),
        by=actor.subject,
        not_after=at + break_glass.LIVES,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )


def permission(actor: Person, run: Run, at: datetime) -> Decision:
    """Whether a grant gives this person break-glass over this run: its parameters and targets too."""
    definition = definition_of(stored_files(run.version))
    targets = plans.targets_for(definition, run.environment, run.parameters, run.narrowed_to)
    return access.decide(
        actor,
        "break_glass",
        at=at,
        procedure=run.procedure,
        environment=run.environment,
        resolved=run.parameters,
        targets=targets,
    )


@thing
def break_the_glass(
    *,
    actor: Person,
    run: UUID,
    plan_digest: str,
    reason: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> GlassBreak:
    """Let a waiting run go ahead without its approvals, or in a freeze; everybody in security is told at once.

    Nothing else is skipped. The run must be claimed within four hours. Raises NotAllowed, GlassHolds, NothingToSkip,
    TooWeak, BadSignature, KeyTooNew, StatementMismatch, InvalidInput, NotFound.
    """
    if bearer:
        raise NotAllowed("A bearer token breaks no glass: sign in for that.")
    rows = Run.objects.select_for_update(of=("self",)).select_related("environment", "procedure", "version")
    row = rows.filter(pk=run).first()
    decision = permission(actor, row, at) if row is not None else None
    if row is None or decision is None or not (decision.allowed or _sees(actor, row, at)):
        raise NotFound("There is no such run.")
    if not decision.allowed or decision.grant is None:
        raise NotAllowed(decision.reason)
    if plans.by_software(row):
        raise NotAllowed(f"Software asked for run #{row.no}: a person approves that, or asks for the run themselves.")
    Person.objects.select_for_update().get(pk=actor.pk)  # one use at a time, so that three a day are three
    if why := break_glass.refusal(earlier_uses(actor, at), at):
        raise GlassHolds(why)
    if row.state != RunState.AWAITING_APPROVAL or not skipped_by(row, at):
        raise NothingToSkip(f"Run #{row.no} is {row.state.replace('_', ' ')}: there is nothing to skip.")
    if plan_digest != row.plan_digest:
        raise statements.StatementMismatch("The plan digest is not that of this run's plan.", pointer="/plan_digest")
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput([("/reason", "say why, in 1 to 2,000 characters: it stands in the evidence for good")])
    return _broken(actor, row, decision.grant, reason, signature, at)


def _sees(actor: Person, run: Run, at: datetime) -> bool:
    return run.requester_id == actor.pk or access.decide(actor, "view", at=at, procedure=run.procedure).allowed


def _broken(
    actor: Person,
    run: Run,
    grant: Grant,
    reason: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
) -> GlassBreak:
    expected = statement_for(actor=actor, run=run, reason=reason, at=at)
    free = ("nonce", "not_after")
    decision = decided(actor, expected, signature, minimum="signed", at=at, free=free, role="breaker")
    said = json.loads(decision.statement)
    until = parse_moment(said["not_after"])
    if not at < until <= at + break_glass.LIVES:
        raise statements.StatementMismatch("The statement is not fresh: its not_after lies outside four hours.")
    use = GlassBreak.objects.create(
        run=run,
        person=actor,
        plan_digest=run.plan_digest,
        reason=reason,
        skips=said["skips"],
        grant=grant.pk,
        nonce=said["nonce"],
        statement=decision.statement,
        signatures=[decision.signature],
        at=at,
        not_after_at=until,
    )
    record(
        "break_glass.used",
        actor=actor.subject,
        at=at,
        procedure=run.procedure_id,
        statement=decision.statement,
        signatures=[decision.signature],
        facts={
            **{name: said[name] for name in ("run", "plan_digest", "digest", "skips", "not_after")},
            "use": str(use.pk),
            "no": run.no,
            "procedure": run.procedure.name,
            "environment": run.environment_id,
            "grant": str(grant.pk),
            "chain": sorted(
                {str(link.person.subject) for link in run.chain.select_related("person")}
                | deputies.stood_in_since(actor, at, at)
            ),
        },
    )
    Run.objects.filter(pk=run.pk).update(approval_expires_at=until, priority=queue_order.GLASS)
    queue(run, at=at, who=actor.username)
    telling.glass_broken(use, at=at)
    return use


def standing(run: Run, at: datetime) -> GlassBreak | None:
    """The use that lets this very plan go ahead now, decided again at the claim; None if there is none."""
    use = GlassBreak.objects.select_related("person").filter(run=run, plan_digest=run.plan_digest).first()
    if use is None or not use.at <= at <= use.not_after_at or use.not_after_at - use.at > break_glass.LIVES:
        return None
    said = parse(bytes(use.statement))
    wanted = {"run": str(run.id), "plan_digest": run.plan_digest, "skips": use.skips, "by": str(use.person.subject)}
    if said.get("type") != break_glass.USED or not break_glass.same(said, wanted, list(wanted)):
        return None
    try:
        signatures.signer(use.signatures[0], bytes(use.statement), _keys(use.person))
    except (statements.BadSignature, IndexError):
        return None
    return use if permission(use.person, run, at).allowed else None


def taken(use: GlassBreak | None, at: datetime) -> bool:
    """Note that a runner took the run by this use, if there is one. Whether it skips the approval."""
    if use is None:
        return False
    GlassBreak.objects.filter(pk=use.pk, used_at__isnull=True).update(used_at=at)
    return "approval" in use.skips


def _keys(person: Person) -> dict[str, dict[str, Any]]:
    fields = ("method", "public", "credential", "algorithm", "rp", "origin")
    live = EnrolledKey.objects.filter(person=person, revoked_at__isnull=True)
    return {k.fingerprint: {"subject": str(person.subject), **{n: getattr(k, n) for n in fields}} for k in live}


def review_statement_for(*, actor: Person, use: GlassBreak, verdict: str, comment: str) -> dict[str, Any]:
    """A fresh statement for `actor` to sign as the reviewer of a use."""
    return break_glass.review_statement(
        use=use.pk,
        run=use.run_id,
        verdict=verdict,
        comment=comment,
        reviewer=actor.subject,
        portal=settings.OPSPORTAL_PUBLIC_URL,
        fresh=statements.nonce(),
    )


@thing
def review_glass(
    *,
    actor: Person,
    use: UUID,
    verdict: str,
    comment: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> GlassBreak:
    """Say, as somebody outside the run and the grant, whether the glass was broken with good reason.

    Raises NotAllowed, SecondPersonRequired, ReviewedAlready, TooWeak, BadSignature, InvalidInput, NotFound.
    """
    if bearer:
        raise NotAllowed("A bearer token decides nothing: sign in for that.")
    row = GlassBreak.objects.select_for_update(of=("self",)).select_related("run", "person").filter(pk=use).first()
    if row is None:
        raise NotFound("There is no such use of break-glass.")
    if not may_judge(actor, at):
        raise NotAllowed("Break-glass is reviewed by holders of the security duty and by access managers.")
    if why := reviewers_barred(actor, row, at):
        raise SecondPersonRequired(why)
    if row.reviewed_at is not None:
        raise ReviewedAlready(f"This was found {row.verdict} already.")
    if verdict not in break_glass.VERDICTS:
        raise InvalidInput([("/verdict", f"is one of {', '.join(break_glass.VERDICTS)}")])
    if not comment.strip() or len(comment) > 2000:
        raise InvalidInput([("/comment", "say what you found, in 1 to 2,000 characters")])
    expected = review_statement_for(actor=actor, use=row, verdict=verdict, comment=comment)
    decision = decided(actor, expected, signature, minimum="signed", at=at, role="reviewer")
    GlassBreak.objects.filter(pk=row.pk).update(reviewer=actor, reviewed_at=at, verdict=verdict, comment=comment)
    record(
        "break_glass.reviewed",
        actor=actor.subject,
        at=at,
        procedure=row.run.procedure_id,
        statement=decision.statement,
        signatures=[decision.signature],
        facts={"use": str(row.pk), "run": str(row.run_id), "verdict": verdict},
    )
    row.refresh_from_db()
    return row
