"""What a run that goes on takes over from the one before it: finished tasks as facts, and its approval, once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from procedures.definitions import registry
from procedures.domain.canonical import parse
from procedures.domain.continuing import Ended, LeftOver, left_over, place, same_work
from procedures.domain.plan import plan_digest
from procedures.domain.profiles import approvals_missing
from procedures.domain.statements import strong_enough
from procedures.domain.states import TaskState
from procedures.models import Approval, Run, Task
from procedures.services.run_states import note

CONTACT = "contact"
SWEEPER = "sweeper"  # the door through which the portal goes on by itself


def left_of(earlier: Run) -> LeftOver:
    """What stands of a run that has ended, and what does not."""
    last: dict[tuple[str, str, int, str], Ended] = {}
    rows = earlier.tasks.exclude(phase=CONTACT).order_by("attempt")
    for phase, step, batch, target, state in rows.values_list("phase", "step", "batch", "target", "state"):
        last[phase, step, batch, target] = Ended(phase, step, batch, target, state)
    shares = {name for name, action in registry.actions().items() if action.shares_files}
    return left_over(parse(bytes(earlier.plan)), last.values(), shares=shares)


def first_of(run: Run) -> str:
    """The id of the run with which a row of runs that went on began."""
    return str(parse(bytes(run.plan)).get("continues", {}).get("first", run.pk))


def note_start(run: Run, why: str, at: datetime) -> None:
    """Beside the request of a run that goes on: with which, why, and whether the portal did it by itself."""
    if run.continues is None:
        return
    facts = {
        "with": str(run.continues_id),
        "first": first_of(run.continues),
        "reason": why[:2000],
        "by_itself": run.door == SWEEPER,
    }
    note("run.goes_on", run, at=at, actor=run.requester.subject, facts=facts)


def told(run: Run) -> dict[str, Any]:
    """As the plan of a run that goes on says it; empty for any other. A function of what has ended alone."""
    if run.continues is None:
        return {}
    earlier = run.continues
    return {
        "run": str(earlier.pk),
        "first": first_of(earlier),
        "plan_digest": earlier.plan_digest,
        "kept": left_of(earlier).folded(),
    }


def approval_speaks_of(run: Run) -> bool:
    """Whether what was approved of the run before is what this one would do: nothing has drifted in between."""
    earlier = run.continues
    if earlier is None or plan_digest(bytes(earlier.plan)) != earlier.plan_digest:
        return False
    return same_work(parse(bytes(earlier.plan)), parse(bytes(run.plan)))


def take_approval(run: Run, at: datetime) -> bool:
    """Carry the approval of the run before over to this one, once and in time; whether it is enough.

    Nothing is carried where it would not be enough, or where the plan has drifted: then the run asks again.
    """
    if run.continues is None or not run.approvals_needed or not approval_speaks_of(run):
        return False
    rows = list(
        Approval.objects.select_for_update(of=("self",))
        .filter(
            run=run.continues,
            gate="",
            plan_digest=run.continues.plan_digest,
            verdict=Approval.Verdict.APPROVE,
            carried_to__isnull=True,
            not_after_at__gt=at,
        )
        .select_related("approver")
    )
    chain = set(run.chain.values_list("person_id", flat=True)) | {run.requester_id}
    rows = [row for row in rows if row.approver_id not in chain and strong_enough(row.strength, run.min_strength)]
    if approvals_missing(run.approvals_needed, {str(row.approver.subject): row.duties for row in rows}):
        return False
    Approval.objects.filter(pk__in=[row.pk for row in rows]).update(carried_to=run)
    until = min(row.not_after_at for row in rows)
    Run.objects.filter(pk=run.pk).update(approval_expires_at=until)
    run.approval_expires_at = until
    for row in rows:
        _note_carried(run, row, at)
    return True


def _note_carried(run: Run, row: Approval, at: datetime) -> None:
    """The earlier decision beside the run that it now lets go on, with the very bytes that its approver signed."""
    note(
        "run.approval_carried",
        run,
        at=at,
        actor=row.approver.subject,
        statement=bytes(row.statement),
        signatures=row.signatures,
        facts={
            "from": str(row.run_id),
            "was_plan_digest": row.plan_digest,
            "plan_digest": run.plan_digest,
            "digest": run.digest,
            "duties": row.duties,
            "strength": row.strength,
        },
    )


def take_tasks(run: Run, at: datetime) -> None:
    """Write what stands of the run before as skipped tasks of this one, which name the run where they were done.

    Call in the transaction of the claim; a run that comes back from a gate has them already.
    """
    if run.continues is None or run.tasks.filter(carried__isnull=False).exists():
        return
    stands = {(one.phase, one.step, one.target, one.state) for one in left_of(run.continues).kept}
    planned, rows = parse(bytes(run.plan)), {}
    for old in run.continues.tasks.exclude(phase=CONTACT).select_related("run", "carried").order_by("attempt"):
        if (old.phase, old.step, old.target, old.state) in stands:
            rows[old.phase, old.step, old.target] = _as_fact(run, old, place(planned, old.step, old.target), at)
    Task.objects.bulk_create(rows.values())


def _as_fact(run: Run, old: Task, batch: int, at: datetime) -> Task:
    done = old.carried or old.run
    was = old.facts.get("was", old.state) if old.carried_id else old.state
    said = "Done" if was == TaskState.SUCCEEDED else "Skipped"
    return Task(
        run=run,
        phase=old.phase,
        step=old.step,
        target=old.target,
        attempt=1,
        position=old.position,
        batch=batch,
        state=TaskState.SKIPPED.value,
        started_at=at,
        ended_at=at,
        output=old.output,
        facts={"was": was},
        message=f"{said} in run #{done.no}, which this one goes on with.",
        carried=done,
    )
