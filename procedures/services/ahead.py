"""What was approved ahead lets a run of a schedule go, once for each run, or it does not and the run waits (H24)."""

from __future__ import annotations

from datetime import datetime, timedelta

from procedures.domain import ahead
from procedures.domain.canonical import parse
from procedures.domain.profiles import approvals_missing
from procedures.models import PreApproval, PreApprovalUse, Run
from procedures.queries import ahead as queries
from procedures.services.run_states import note


def take(run: Run, at: datetime) -> bool:
    """Let a run go by what was approved ahead, if that is all that it needs; whether it does. Call in its transaction.

    Where it would not be enough nothing is used, and the run waits for people.
    """
    if run.of_fire is None or not run.approvals_needed or run.draft:
        return False
    rows = queries.live(run.of_fire.standing, at)
    list(PreApproval.objects.select_for_update().filter(pk__in=[one.pk for one in rows]).order_by("pk"))
    counted: dict[str, list[str]] = {}
    uses: list[PreApproval] = []
    for one in rows:
        who = str(one.approver.subject)
        missing = approvals_missing(run.approvals_needed, counted)
        if who in counted or not missing or queries.why_not(one, run, at, used=one.uses.count()):
            continue
        if approvals_missing(run.approvals_needed, {**counted, who: queries.duties(one)}) != missing:
            counted[who] = queries.duties(one)
            uses.append(one)
    if not uses or approvals_missing(run.approvals_needed, counted):
        return False
    _use(run, uses, at)
    return True


def _use(run: Run, rows: list[PreApproval], at: datetime) -> None:
    """The run begins within the time that an approval has there, and within that of what lets it go."""
    usual = at + timedelta(seconds=run.environment.approval_expiry_s)
    until = min([usual, *(one.not_after_at for one in rows)])
    Run.objects.filter(pk=run.pk).update(approval_expires_at=until)
    run.approval_expires_at = until
    for one in rows:
        PreApprovalUse.objects.create(pre_approval=one, run=run, at=at)
        note(
            ahead.USED,
            run,
            at=at,
            actor=one.approver.subject,
            header={"a": one.nonce},
            facts={
                "ahead": one.nonce,
                "given": str(one.event),
                "plan_digest": run.plan_digest,
                "digest": run.digest,
                "own": ahead.own(parse(bytes(run.plan))),
                "duties": queries.duties(one),
                "use": one.uses.count(),
                "of": one.runs,
            },
        )


def counts_for(run: Run, at: datetime) -> tuple[dict[str, list[str]], str]:
    """(duties by approver, why one counts no more) of what let this run go. A run that has begun goes on with it."""
    found: dict[str, list[str]] = {}
    why = ""
    related = ("approver", "standing__environment", "standing__procedure", "standing__account")
    for one in PreApproval.objects.filter(uses__run=run).select_related(*related):
        used = one.uses.exclude(run=run).count()
        problem = "" if run.started_at is not None else queries.why_not(one, run, at, used=used)
        if problem:
            why = f"What {one.approver.username} approved ahead counts no more: {problem}."
        else:
            found[str(one.approver.subject)] = queries.duties(one) if run.started_at is None else list(one.duties)
    return found, why
