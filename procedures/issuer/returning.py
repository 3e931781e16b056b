"""Leases that nobody has in hand any more: given back late by their runner, or found by the sweep and ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog

from procedures.domain.errors import OpsError
from procedures.domain.lending import Return
from procedures.domain.ports import Provider
from procedures.issuer.claimants import require_served
from procedures.issuer.issue import binding_of
from procedures.issuer.refusals import LeaseRefused, NotYours
from procedures.issuer.replay import replay
from procedures.issuer.runners import Prove, judge_runner
from procedures.issuer.stock import Stock
from procedures.models import LeaseRecord
from procedures.services import leases, remotes
from procedures.services.moments import database_now

log = structlog.get_logger(__name__)
LATE = "the step has ended, and its issuer was away meanwhile"
LEFT = "nobody has it in hand any more"


def given_back(stock: Stock, prove: Prove, asked: Return) -> str:
    """End a lease that its own runner says it is done with; how it ended. Raises LeaseRefused."""
    row = LeaseRecord.objects.select_related("run__claim").filter(pk=asked.lease).first()
    if row is None:
        raise LeaseRefused("There is no such lease.")
    require_served(row.run.environment_id, stock.only)
    judge_runner(replay(), asked.runner, row.run.environment_id, prove, asked=asked)
    holders = leases.holders(row.run)
    if holders and asked.runner not in holders:
        raise NotYours(f"Run #{row.run.no} is another runner's.")
    return _end(stock, row, LATE, database_now())


def sweep(stock: Stock, environments: Collection[str], *, at: datetime) -> int:
    """End what nobody has in hand any more, and ask each provider for leftovers that the ledger does not know."""
    ended = 0
    for row in leases.left_open(environments, at=at):
        if row.pk in stock.held:
            continue
        try:
            _end(stock, row, LEFT, at)
            ended += 1
        except OpsError as problem:  # its provider does not answer: the next sweep tries again
            log.warning("lease.left", lease=str(row.pk), why=problem.message)
    return ended


def sweep_providers(stock: Stock, environments: Collection[str], *, at: datetime) -> int:
    """Have each provider end what it made and the ledger does not know; how many."""
    found = 0
    for name, provider in stock.providers.items():
        if type(provider).sweep is Provider.sweep:
            continue  # it finds nothing by itself
        try:
            left = provider.sweep(leases.handles(name, environments, at=at))
        except OpsError as problem:
            log.warning("leases.not-swept", provider=name, why=problem.message)
            continue
        if left:
            log.warning("leases.unknown", provider=name, ended=len(left))
            leases.unknown(name, left, environments, at=at)
            found += len(left)
    return found


def _unmade(stock: Stock, row: LeaseRecord) -> None:
    """Its provider ends what is left of what was meant, where it can leave something and its binding is there still."""
    provider = stock.providers.get(row.provider)
    if provider is None or type(provider).unmade is Provider.unmade:
        return
    try:
        binding = binding_of(row.run, row.credential)
    except LeaseRefused:
        return
    if binding.provider == row.provider:
        provider.unmade(binding, row.pk)


def _end(stock: Stock, row: LeaseRecord, why: str, at: datetime) -> str:
    how = "never-issued"
    if row.state == LeaseRecord.State.ISSUED:
        provider = stock.providers.get(row.provider)
        how = provider.revoke(row.handle, why) if provider is not None else "expires-only"
    else:
        _unmade(stock, row)
    if row.run.ended_at is not None:
        remotes.revoked(lease=row.pk, run=row.run, how=how, why=why, at=at)
    else:
        leases.revoked(lease=row.pk, how=how, why=why, at=at)
    return how
