"""A credential only to look for what a lost run left on one of its targets, judged from the log (rules 14, 18)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from procedures.domain import lost
from procedures.domain.canonical import parse
from procedures.domain.definition import CredentialNeed
from procedures.domain.ids import uuid7
from procedures.domain.plan import plan_digest
from procedures.domain.ports import Lease, Provider, RunContext, Target
from procedures.evidence.queries import facts_of_run
from procedures.issuer.judgement import judge_binding, judge_secret, judge_target
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import CredentialBinding, Runner, SealedSecret, Task
from procedures.models import Target as TargetRow
from procedures.services import plans, remotes

TTL_S = 60


@contextmanager
def lend_to_look(
    providers: Mapping[str, Provider], runner: Runner, task: Task, mark: str, *, at: datetime
) -> Iterator[tuple[Lease, Target]]:
    """A lease for the one command that ends what carries `mark`, on the task's own target. Raises LeaseRefused.

    The run needs no standing approval for this, and a stop does not hinder it: nothing is begun, what began is ended.
    """
    credential, step = _lent_then(task, mark)
    if task.run.environment_id not in runner.environments or runner.ended_at is not None or runner.disposable:
        raise LeaseRefused(f"The runner {runner.name} does not serve {task.run.environment_id}.")
    planned = parse(bytes(task.run.plan))
    if plan_digest(bytes(task.run.plan)) != task.run.plan_digest:
        raise LeaseRefused("The stored plan is not the one that was approved.")
    authority, target = replay(), _target(task)
    judge_target(authority, target, next(t for t in planned["targets"] if t["name"] == target.name))
    rows = CredentialBinding.objects.filter(environment=task.run.environment, ended_at__isnull=True)
    row = rows.filter(name=credential.rpartition("/")[2]).first()
    if row is None:
        raise LeaseRefused(f"{task.run.environment_id} no longer binds {credential}.")
    binding = plans.binding_port(row)
    judge_binding(authority, binding, planned["credentials"][credential])
    if isinstance(name := binding.ceiling.get("secret"), str):
        secrets = SealedSecret.objects.filter(environment=task.run.environment, name=name, ended_at__isnull=True)
        sealed = secrets.first()
        judge_secret(authority, task.run.environment_id, name, None if sealed is None else bytes(sealed.ciphertext))
    provider = providers.get(binding.provider)
    if provider is None:
        raise LeaseRefused(f"No provider named {binding.provider} is installed here.")
    lease_id = uuid7()
    remotes.intended(id=lease_id, task=task, credential=credential, provider=binding.provider, at=at)
    need = CredentialNeed(credential, "ssh", {}, TTL_S)
    context = _context(task, target, runner, mark, str(lease_id), step, at)
    lease = provider.issue(context, need, binding, lease_id, at=at, ttl_s=TTL_S)
    remotes.issued(lease=lease, task=task, at=at)
    try:
        yield lease, target
    finally:
        how = provider.revoke(lease.handle, "what was lost was looked for")
        remotes.revoked(lease=lease.id, run=task.run, how=how, at=at)


def _lent_then(task: Task, mark: str) -> tuple[str, str]:
    """(credential, step) as the log says that they were lent for a step of which nothing is known."""
    facts = facts_of_run(task.run_id)
    told = [f.facts for f in facts if f.kind in {"task.interrupted", "task.finished"}]
    lost = any(row["task"] == str(task.pk) and row.get("remote") == "unknown" for row in told)
    if not lost or not facts[-1].outcome:
        raise LeaseRefused("The log does not say that this run ended and that nobody knows what became of this step.")
    intents = {f.facts["lease"]: f.facts for f in facts if f.kind == "lease.intent"}
    for fact in facts:
        said = fact.facts
        if fact.kind == "lease.issued" and said["evidence"].get("command_sha256") == mark:
            intent = intents[said["lease"]]
            if (intent["step"], intent["target"]) == (task.step, task.target):
                return str(intent["credential"]), str(intent["step"])
    raise LeaseRefused(f"The log does not hold that {task.step} had a credential on {task.target}.")


def _target(task: Task) -> Target:
    rows = TargetRow.objects.filter(environment=task.run.environment, name=task.target, ended_at__isnull=True)
    row = rows.first()
    if row is None:
        raise LeaseRefused(f"The target {task.target} is no longer in the inventory.")
    return plans.as_port(row)


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
