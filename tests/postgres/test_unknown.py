"""Somebody holds the login with which the issuer makes roles: what they made is ended, on record, and told."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from procedures.domain.clock import now
from procedures.domain.ports import Lease
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.returning import sweep_providers
from procedures.models import Notice
from procedures.runner.drive import stock_here
from procedures.services import leases
from tests.factories.lending import claimed
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase
from tests.postgres.conftest import Shop

pytestmark = pytest.mark.ordinary


def test_a_role_that_the_ledger_does_not_know_is_ended_on_record_and_security_is_told(
    fresh_database: FreshDatabase, shop: Shop
) -> None:
    under_way = claimed(new_world())

    def recorded(lease: Lease) -> Lease:
        leases.intended(id=lease.id, asked=under_way.ask(), provider="postgres-role", at=now())
        leases.issued(lease=lease, apart=False, at=now())
        return lease

    known, stolen = recorded(shop.lend()), shop.lend()
    shop.root.execute("UPDATE opsportal.lease SET issued = issued - interval '10 minutes'")
    late = recorded(shop.lend(ttl_s=1, lease=uuid4()))
    shop.root.execute("SELECT pg_sleep(1.1)")
    stock = replace(stock_here(), providers={"postgres-role": shop.provider})
    try:
        assert sweep_providers(stock, ["development"], at=now()) == 2, "one that nobody knows, one whose time is over"
        assert shop.run_roles() == [known.evidence["role"]]
        (fact,) = facts_of_kinds("lease.unknown")
        assert (fact.facts["handle"], fact.facts["provider"]) == (stolen.handle, "postgres-role")
        assert late.handle not in str(fact.facts)
        assert Notice.objects.filter(kind="lease.unknown", person=under_way.world.mira).count() == 1
        assert sweep_providers(stock, ["development"], at=now()) == 0
        assert len(facts_of_kinds("lease.unknown")) == 1
    finally:
        shop.provider.revoke(known.handle, "over")
