"""Lending: intent on record, then the side effect, then issued on record, and back at the end whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from procedures.domain import plan
from procedures.domain import stops as rules
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.controls import Authority
from procedures.domain.ids import uuid7
from procedures.domain.ports import Action, Lease, Provider, RunContext, Target
from procedures.domain.secrets import Secret
from procedures.domain.states import RunState
from procedures.issuer.judgement import judge_binding, judge_run, judge_secret, judge_target
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.runners import Prove, judge_runner
from procedures.models import CredentialBinding, Run, Runner, SealedSecret, StepBatch
from procedures.queries import stops
from procedures.services import leases, plans
from procedures.services.claims import Claimed, secrets_of
from procedures.services.moments import database_now
from procedures.services.steady import steadily

Open = Callable[[Run], Mapping[str, Secret]]
Scope = Callable[[Claimed, str], Mapping[str, Any]]


class Issuer:
    """One per runner process with the embedded default. `providers` by name; `open_secrets` by the pool's key, `prove`
    by the runner's own.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        actions: Mapping[str, Action],
        runner: Runner,
        *,
        prove: Prove,
        open_secrets: Open,
        outputs: Scope,
    ) -> None:
        self.providers, self.actions, self.runner = providers, actions, runner
        self._open, self._outputs, self._prove = open_secrets, outputs, prove

    @contextmanager
    def lend(self, *, claimed: Claimed, step: str, target: str, attempt: int, credential: str) -> Iterator[Lease]:
        """A lease for one (run, step, target, attempt). Raises LeaseRefused; nothing is lent then."""
        lease_id = uuid7()
        try:
            lease, provider = steadily(lambda: self._issue(claimed, step, target, attempt, credential, lease_id))
        except LeaseRefused as refusal:
            leases.refused(
                run=claimed.run.id, step=step, target=target, credential=credential, why=refusal.message, at=now()
            )
            raise
        except Exception:
            leases.unissued(lease=lease_id, at=now())
            raise
        try:
            yield lease
        finally:
            how = provider.revoke(lease.handle, "the step has ended")
            leases.revoked(lease=lease.id, how=how, why="the step has ended", at=now())

    def _issue(
        self, claimed: Claimed, step_id: str, target_name: str, attempt: int, credential: str, lease_id: UUID
    ) -> tuple[Lease, Provider]:
        """Safe to repeat for one lease: what was recorded before the database went away is recorded once."""
        at, run = database_now(), self._running(claimed, step_id, target_name)
        approved = parse(bytes(run.plan))
        row = self._planned_step(approved, step_id, target_name, attempt, credential)
        authority = replay()
        judge_runner(authority, self.runner.id, run.environment_id, self._prove, claim=claimed.token)
        _require_not_stopped(authority, claimed)
        approvers = judge_run(authority, run, approved, at=at)
        binding = self._binding(run, credential)
        judge_binding(authority, binding, approved["credentials"][credential])
        if isinstance(secret := binding.ceiling.get("secret"), str):
            judge_secret(authority, run.environment_id, secret, self._sealed(run, secret))
        target = self._target(claimed, target_name)
        if target is not None:
            judge_target(authority, target, next(t for t in approved["targets"] if t["name"] == target.name))
        provider = self.providers.get(binding.provider)
        if provider is None:
            raise LeaseRefused(f"No provider named {binding.provider} is installed here.")
        inner = claimed.within(credential.rpartition("/")[0] + "/" if "/" in credential else "")
        need = inner.definition.credentials[credential.rpartition("/")[2]]
        provider.validate(need, binding)
        ttl = min(need.ttl_s, binding.max_ttl_s, _seconds_left(run, row, at))
        if ttl < provider.min_ttl_s or ttl <= 0:
            raise LeaseRefused("The run's time is nearly over: no credential is lent any more.")
        leases.intended(
            id=lease_id,
            run=run.id,
            step=step_id,
            target=target_name,
            attempt=attempt,
            credential=credential,
            provider=binding.provider,
            at=at,
        )
        context = RunContext(
            run_id=run.id,
            run_no=run.no,
            step=step_id,
            attempt=attempt,
            procedure=run.procedure.name,
            digest=run.digest,
            environment=run.environment_id,
            requester=run.requester.username,
            approvers=approvers,
            runner=str(self.runner.id),
            deadline=at + timedelta(seconds=ttl),
            target=target,
            command_sha256=self._command(claimed, step_id, target_name, attempt, lease_id),
            timeout_s=row["timeout_s"],
        )
        lease = provider.issue(context, need, binding, lease_id, at=at, ttl_s=ttl)
        if context.command_sha256 is not None:  # the mark by which what is lost can be found on its target
            lease.evidence["command_sha256"] = context.command_sha256
        leases.issued(lease=lease, at=at)
        return lease, provider

    def _running(self, claimed: Claimed, step: str, target: str) -> Run:
        """The run as it stands now, running under this very claim, or with this step and target handed out to us."""
        with transaction.atomic():
            run = Run.objects.select_related("environment", "procedure", "version", "requester", "claim").get(
                pk=claimed.run.id
            )
        if run.state != RunState.RUNNING or not self._is_ours(run, claimed.token, step, target):
            raise LeaseRefused(f"Run #{run.no} is not running under this claim.")
        if run.environment_id not in self.runner.environments:
            raise LeaseRefused(f"The runner {self.runner.name} does not serve {run.environment_id}.")
        if (halted := stops.of_run(run, [frame.version for frame in claimed.frames.values()])) is not None:
            raise LeaseRefused(f"{halted.what} is stopped.")
        if plan.plan_digest(bytes(run.plan)) != run.plan_digest:
            raise LeaseRefused("The stored plan is not the one that was approved.")
        return run

    def _is_ours(self, run: Run, token: UUID, step: str, target: str) -> bool:
        if not hasattr(run, "claim"):
            return False
        if run.claim.token == token:
            return bool(run.claim.runner_id == self.runner.pk)
        taken = StepBatch.objects.filter(run=run, claim=run.claim.token, token=token, runner=self.runner, step=step)
        row = taken.filter(state=StepBatch.State.TAKEN).first()
        return row is not None and target in row.labels

    @staticmethod
    def _planned_step(
        approved: Mapping[str, Any], step: str, target: str, attempt: int, credential: str
    ) -> Mapping[str, Any]:
        for row in approved["steps"]:
            if row["id"] != step:
                continue
            if credential not in row["credentials"]:
                raise LeaseRefused(f"The plan's step {step} uses no credential {credential}.")
            if not any(target in effect["targets"] for effect in row["effects"]):
                raise LeaseRefused(f"The plan's step {step} does not act on {target or 'no target'}.")
            if attempt > row["attempts"]:
                raise LeaseRefused(f"The plan allows {row['attempts']} attempts of {step}.")
            found: Mapping[str, Any] = row
            return found
        raise LeaseRefused(f"The plan has no step {step}.")

    @staticmethod
    def _binding(run: Run, name: str) -> Any:
        live = CredentialBinding.objects.filter(environment=run.environment, ended_at__isnull=True)
        row = live.filter(name=name.rpartition("/")[2]).first()
        if row is None:
            raise LeaseRefused(f"{run.environment_id} no longer binds {name}.")
        return plans.binding_port(row)

    @staticmethod
    def _sealed(run: Run, name: str) -> bytes | None:
        row = SealedSecret.objects.filter(environment=run.environment, name=name, ended_at__isnull=True).first()
        return None if row is None else bytes(row.ciphertext)

    @staticmethod
    def _target(claimed: Claimed, name: str) -> Target | None:
        every = [*claimed.ask.targets, *(t for frame in claimed.frames.values() for t in frame.ask.targets)]
        return next((t for t in every if t.name == name), None)

    def _command(self, claimed: Claimed, step_id: str, label: str, attempt: int, lease: UUID) -> str | None:
        """What the credential is bound to, derived here from accepted bytes and the approved parameters (H5)."""
        above, slash, bare = step_id.rpartition("/")
        inner = claimed.within(above + slash)
        _, step = inner.definition.step(bare)
        opened = secrets_of(claimed, above + slash, self._open(claimed.run))
        scope = plan.scope_for(inner.definition, inner.ask, steps=self._outputs(claimed, above + slash), secrets=opened)
        action = self.actions[step.action]
        units = plan.units(step, action, inner.ask.targets, scope)
        unit = next(one for one in units if one.label == label)
        call = plan.call_for(inner.files, inner.ask, step, unit.target, scope=scope, each=unit.each, attempt=attempt)
        return action.command_sha256(call, str(lease))


def _require_not_stopped(authority: Authority, claimed: Claimed) -> None:
    """What the log says was stopped and not lifted by a change that stands, whatever the table says (rule 15)."""
    names = [claimed.definition.name, *(frame.definition.name for frame in claimed.frames.values())]
    if halted := rules.covering(authority.stops, claimed.run.environment_id, names):
        raise LeaseRefused(f"{halted} is stopped, as the evidence says.")


def _seconds_left(run: Run, planned: Mapping[str, Any], at: datetime) -> int:
    """Until the run's deadline; rollback, `onCancel` and `always` get five minutes, whatever is left."""
    grace = 300 if planned["phase"] != "steps" else 0
    return max(int(((run.deadline_at or at) - at).total_seconds()), grace)
