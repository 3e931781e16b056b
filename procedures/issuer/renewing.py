"""More time for a lease that a running step has in hand: all is judged again, and no scope comes from who asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.lending import Lend
from procedures.domain.ports import Lease, Provider
from procedures.issuer import claimants
from procedures.issuer.issue import (
    binding_of,
    judged,
    need_of,
    provider_of,
    require_sealed,
    seconds_left,
    target_of_plan,
)
from procedures.issuer.judgement import judge_binding
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.runners import Prove
from procedures.issuer.stock import Stock
from procedures.models import LeaseRecord
from procedures.services import leases
from procedures.services.moments import database_now


def renew(stock: Stock, prove: Prove, asked: Lend, lease: Lease, provider: Provider) -> datetime:
    """When the lease ends now: within need, ceiling, the step's own limit and the run's deadline. Raises LeaseRefused,
    and what the provider says.

    `asked` is the question with which it was lent: of another lease there is nothing to say.
    """
    at = database_now()
    if not lease.renewable:
        raise LeaseRefused("What was lent cannot be renewed.")
    row = LeaseRecord.objects.select_related("run").get(pk=lease.id)
    if row.state != LeaseRecord.State.ISSUED or row.expires_at is None or row.expires_at <= at:
        raise LeaseRefused("This lease is over.")
    if row.run.cancel_requested_at is not None:
        raise LeaseRefused(f"Run #{row.run.no} was asked to cancel.")
    found = judged(stock, prove, asked, at)
    planned = claimants.planned_step(found.approved, asked)
    binding = binding_of(found.run, asked.credential)
    judge_binding(found.authority, binding, found.approved["credentials"][asked.credential])
    if provider_of(stock, binding) is not provider:
        raise LeaseRefused(f"The binding {binding.name} names another provider now.")
    require_sealed(stock, found.authority, binding, provider.opens(binding, target_of_plan(found, asked.target)))
    need = need_of(found.claimed, asked.credential)
    provider.validate(need, binding)
    limits = (need.ttl_s, binding.max_ttl_s, seconds_left(found.run, planned, at), _of_the_step(row, planned, at))
    if (ttl := min(limits)) < 1:
        raise LeaseRefused("The step's or the run's time is over: nothing is lent for longer.")
    if row.expires_at - at > timedelta(seconds=ttl / 2):
        return row.expires_at  # whoever asks again and again fills no log
    until = provider.renew(lease.handle, ttl_s=ttl)
    if not leases.renewed(lease=lease.id, expires_at=until, at=at):
        provider.revoke(lease.handle, "it was given up while it was being renewed")
        raise LeaseRefused("This lease was given up while it was being renewed.")
    return until


def _of_the_step(row: LeaseRecord, planned: Mapping[str, Any], at: datetime) -> int:
    """Until the step's own limit, counted from when the lease was meant: nobody renews for ever."""
    return int(planned["timeout_s"]) - int((at - row.intended_at).total_seconds())
