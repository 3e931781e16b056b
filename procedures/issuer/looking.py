"""A credential only to look for what a lost run left on one of its targets, judged from the log (rules 14, 18)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import lost
from procedures.domain.definition import CredentialNeed
from procedures.domain.lending import Look
from procedures.domain.ports import Lease, Provider, RunContext, Target
from procedures.evidence.queries import facts_of_run
from procedures.issuer import claimants
from procedures.issuer.issue import binding_of, provider_of, require_sealed, target_judged
from procedures.issuer.judgement import judge_binding
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.runners import Prove, judge_runner
from procedures.issuer.stock import Stock
from procedures.models import Runner, Task
from procedures.services import remotes
from procedures.services.moments import database_now

TTL_S = 60


def look(stock: Stock, prove: Prove, asked: Look, lease_id: UUID) -> tuple[Lease, Provider, Task, Target]:
    """A lease for the one command that ends what a lost step left, on the task's own target. Raises LeaseRefused.

    The run needs no standing approval for this, and a stop does not hinder it: nothing is begun, what began is ended.
    """
    at, task, runner = database_now(), _task(asked.task), Runner.objects.filter(pk=asked.runner).first()
    place = task.run.environment_id
    claimants.require_served(place, stock.only)
    if runner is None or place not in runner.environments or runner.ended_at is not None or runner.disposable:
        name = runner.name if runner is not None else str(asked.runner)
        raise LeaseRefused(f"The runner {name} does not serve {place}.")
    authority = replay()
    judge_runner(authority, runner.id, place, prove, asked=asked)
    mark = remotes.mark_of(task)
    credential, step = _lent_then(task, mark)
    planned = claimants.approved_plan(task.run)
    target = target_judged(authority, planned, task.target, today=True)
    binding = binding_of(task.run, credential)
    judge_binding(authority, binding, planned["credentials"][credential])
    provider = provider_of(stock, binding)
    require_sealed(stock, authority, binding, provider.opens(binding, target))
    remotes.intended(id=lease_id, task=task, credential=credential, provider=binding.provider, at=at)
    need = CredentialNeed(credential, "ssh", {}, TTL_S)
    context = _context(task, target, runner, str(mark), str(lease_id), step, at)
    lease = provider.issue(context, need, binding, lease_id, at=at, ttl_s=TTL_S)
    remotes.issued(lease=lease, task=task, apart=stock.apart, at=at)
    return lease, provider, task, target


def _task(id: UUID) -> Task:
    rows = Task.objects.select_related("run", "run__environment", "run__procedure", "run__requester")
    task = rows.filter(pk=id).first()
    if task is None:
        raise LeaseRefused("There is no such task.")
    return task


def _lent_then(task: Task, mark: str | None) -> tuple[str, str]:
    """(credential, step) as the log says that they were lent for a step of which nothing is known."""
    facts = facts_of_run(task.run_id)
    told = [f.facts for f in facts if f.kind in {"task.interrupted", "task.finished"}]
    lost = any(row["task"] == str(task.pk) and row.get("remote") == "unknown" for row in told)
    if not lost or not facts[-1].outcome:
        raise LeaseRefused("The log does not say that this run ended and that nobody knows what became of this step.")
    intents = {f.facts["lease"]: f.facts for f in facts if f.kind == "lease.intent"}
    for fact in facts:
        said = fact.facts
        if mark and fact.kind == "lease.issued" and said["evidence"].get("command_sha256") == mark:
            intent = intents[said["lease"]]
            if (intent["step"], intent["target"]) == (task.step, task.target):
                return str(intent["credential"]), str(intent["step"])
    raise LeaseRefused(f"The log does not hold that {task.step} had a credential on {task.target}.")


def _context(task: Task, target: Target, runner: Runner, mark: str, salt: str, step: str, at: datetime) -> RunContext:
    run, said = task.run, {"mark": mark, "run": task.run_id, "host": target.name, "salt": salt}
    values: dict[str, Any] = {
        "run_id": run.pk,
        "run_no": run.no,
        "step": f"{step}:{lost.STEP.rpartition(':')[2]}",
        "attempt": 0,
        "procedure": run.procedure.name,
        "digest": run.digest,
        "environment": run.environment_id,
        "requester": run.requester.username,
        "approvers": (),
        "runner": str(runner.pk),
        "deadline": at,
        "target": target,
        "command_sha256": lost.looking(**said).sha256,  # type: ignore[arg-type]
        "timeout_s": lost.SECONDS,
    }
    return RunContext(**values)
