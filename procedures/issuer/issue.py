"""Issuing for one step: everything is judged again, derived from the log and the approved plan, and recorded first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from procedures.domain import plan
from procedures.domain.controls import Authority
from procedures.domain.definition import CredentialNeed
from procedures.domain.lending import Lend
from procedures.domain.ports import Binding, Lease, Provider, RunContext, Target
from procedures.issuer import claimants
from procedures.issuer.confirmed import judge_secret
from procedures.issuer.derived import derive, target_of
from procedures.issuer.judgement import judge_binding, judge_run, judge_target
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.runners import Prove, judge_runner
from procedures.issuer.sealed import opened, secrets_of_run
from procedures.issuer.stock import Stock
from procedures.models import CredentialBinding, Run, Runner, SealedSecret, Task
from procedures.queries.outputs import outputs_of
from procedures.services import leases, plans
from procedures.services.claims import Claimed, secrets_of
from procedures.services.moments import database_now


@dataclass(frozen=True, slots=True)
class Judged:
    """A claimed run that may have what it asks for, as the log says now."""

    run: Run
    runner: Runner
    claimed: Claimed
    approved: Mapping[str, Any]
    authority: Authority
    approvers: tuple[str, ...]


def issue(stock: Stock, prove: Prove, asked: Lend, lease_id: UUID) -> tuple[Lease, Provider]:
    """The credential of a step. Safe to repeat for one lease: what was recorded before the database went is there once.

    Raises LeaseRefused, and what the provider refuses.
    """
    at = database_now()
    found = judged(stock, prove, asked, at)
    row = claimants.planned_step(found.approved, asked)
    binding = binding_of(found.run, asked.credential)
    judge_binding(found.authority, binding, found.approved["credentials"][asked.credential])
    target = target_of_plan(found, asked.target)
    provider = provider_of(stock, binding)
    require_sealed(stock, found.authority, binding, provider.opens(binding, target))
    need = need_of(found.claimed, asked.credential)
    provider.validate(need, binding)
    ttl = min(need.ttl_s, binding.max_ttl_s, seconds_left(found.run, row, at))
    if ttl < provider.min_ttl_s or ttl <= 0:
        raise LeaseRefused("The run's time is nearly over: no credential is lent any more.")
    leases.intended(id=lease_id, asked=asked, provider=binding.provider, at=at)
    acts = asked.credential in row["credentials"]  # else it only delivers what the step made
    command = _command(stock, found.claimed, asked, lease_id) if acts else None
    context = _context(found, asked, target, command, row["timeout_s"], at + timedelta(seconds=ttl))
    lease = provider.issue(context, need, binding, lease_id, at=at, ttl_s=ttl)
    if command is not None:  # the mark by which what is lost can be found on its target
        lease.evidence["command_sha256"] = command
    if not leases.issued(lease=lease, apart=stock.apart, at=at):
        provider.revoke(lease.handle, "it was given up meanwhile")
        raise LeaseRefused("This lease was given up while it was being made.")
    return lease, provider


def judged(stock: Stock, prove: Prove, asked: Any, at: datetime) -> Judged:
    """Who asks holds the claim and the key that people enrolled; and the run stands as rules 14, 15 and 18 want it.

    Raises LeaseRefused.
    """
    run, runner = claimants.claimed_by(asked)
    claimants.require_served(run.environment_id, stock.only)
    authority = replay()
    judge_runner(authority, runner.id, run.environment_id, prove, asked=asked)
    approved = claimants.approved_plan(run)
    claimed = derive(run, asked.claim, approved)
    claimants.require_not_stopped(authority, claimed)
    approvers = judge_run(authority, run, approved, at=at)
    return Judged(run, runner, claimed, approved, authority, approvers)


def need_of(claimed: Claimed, credential: str) -> CredentialNeed:
    """What the accepted bytes declare of a credential, of the run's own procedure or of one that it calls."""
    prefix, slash, name = credential.rpartition("/")
    return claimed.within(prefix + slash).definition.credentials[name]


def binding_of(run: Run, credential: str) -> Binding:
    """What the run's environment makes of a credential now. Raises LeaseRefused."""
    live = CredentialBinding.objects.filter(environment=run.environment, ended_at__isnull=True)
    row = live.filter(name=credential.rpartition("/")[2]).first()
    if row is None:
        raise LeaseRefused(f"{run.environment_id} no longer binds {credential}.")
    return plans.binding_port(row)


def require_sealed(stock: Stock, authority: Authority, binding: Binding, name: str | None) -> None:
    """The sealed secret that will be opened, if one will, is the one that was confirmed.

    Raises LeaseRefused, WillNotOpen.
    """
    if name is not None:
        require_confirmed(stock, authority, binding.environment, name)


def require_confirmed(stock: Stock, authority: Authority, environment: str, name: str) -> None:
    """Raises LeaseRefused, WillNotOpen."""
    rows = SealedSecret.objects.filter(environment=environment, name=name, ended_at__isnull=True)
    row = rows.first()
    ciphertext, value = (None, bytes) if row is None else (bytes(row.ciphertext), partial(opened, stock.keys, row))
    judge_secret(authority, environment, name, ciphertext, value=value)


def provider_of(stock: Stock, binding: Binding) -> Provider:
    provider = stock.providers.get(binding.provider)
    if provider is None:
        raise LeaseRefused(f"No provider named {binding.provider} is installed here.")
    return provider


def target_judged(authority: Authority, approved: Mapping[str, Any], name: str, *, today: bool = False) -> Target:
    """A target of the plan, with the host key that the log holds for it; `today`: where it is reached now.

    Raises LeaseRefused.
    """
    row = next(one for one in approved["targets"] if one["name"] == name)
    fact = authority.targets.get(name, {})
    if today and fact:
        row = {**row, "address": fact["address"], "port": fact["port"]}
    trusted = {**row, "trust": fact["trust"]} if fact else row  # as the log says now, whatever a table or plan says
    known = (str(fact.get(name, "")) for name in ("host_key", "host_authority"))
    target = target_of(trusted, approved["environment"], *known)
    judge_target(authority, target, row)
    return target


def target_of_plan(found: Judged, name: str) -> Target | None:
    known = {row["name"] for row in found.approved["targets"]}
    return target_judged(found.authority, found.approved, name) if name in known else None


def _context(
    found: Judged, asked: Lend, target: Target | None, command: str | None, timeout_s: int, deadline: datetime
) -> RunContext:
    run = found.run
    return RunContext(
        run_id=run.id,
        run_no=run.no,
        step=asked.step,
        attempt=asked.attempt,
        procedure=run.procedure.name,
        digest=run.digest,
        environment=run.environment_id,
        requester=run.requester.username,
        approvers=found.approvers,
        runner=str(found.runner.id),
        deadline=deadline,
        target=target,
        command_sha256=command,
        timeout_s=timeout_s,
    )


def _command(stock: Stock, claimed: Claimed, asked: Lend, lease: UUID) -> str | None:
    """What the credential is bound to, derived here from accepted bytes and the approved parameters (H5)."""
    above, slash, bare = asked.step.rpartition("/")
    prefix = above + slash
    inner = claimed.within(prefix)
    _, step = inner.definition.step(bare)
    opened = secrets_of(claimed, prefix, secrets_of_run(stock.keys, claimed.run))
    scope = plan.scope_for(inner.definition, inner.ask, steps=_outputs(claimed.run, prefix), secrets=opened)
    action = stock.actions[step.action]
    unit = next(one for one in plan.units(step, action, inner.ask.targets, scope) if one.label == asked.target)
    call = plan.call_for(inner.files, inner.ask, step, unit.target, scope=scope, each=unit.each, attempt=asked.attempt)
    return action.command_sha256(call, str(lease))


def _outputs(run: Run, prefix: str) -> Mapping[str, object]:
    finished = Task.objects.filter(run=run).exclude(state__in=["pending", "running"]).order_by("attempt")
    return outputs_of(finished, prefix)


def seconds_left(run: Run, planned: Mapping[str, Any], at: datetime) -> int:
    """Until the run's deadline; rollback, `onCancel` and `always` get five minutes, whatever is left."""
    grace = 300 if planned["phase"] != "steps" else 0
    return max(int(((run.deadline_at or at) - at).total_seconds()), grace)
