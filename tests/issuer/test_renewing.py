"""A lease is renewed for the running step that has it in hand, within its limits, and for nobody and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.lending import Lend
from procedures.domain.ports import Lease
from procedures.evidence.queries import facts_of_run
from procedures.issuer.refusals import LeaseRefused
from procedures.models import LeaseRecord, Person, Run, Runner
from procedures.runner import drive
from procedures.runner.drive import identity, issuer
from procedures.services import claims, endings, leases, life, stops, versions
from procedures.services.install import ENVIRONMENTS
from tests.factories.lending import listens, seal
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.issuer.raw import proved, raw, until
from tests.postgres.conftest import PASSWORD, Shop, server, shop

pytestmark = [pytest.mark.ordinary, pytest.mark.timeout(120)]
__all__ = ["server", "shop"]
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: dump}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  timeout: 5m
  credentials: {db: {kind: postgres, ttl: 6s}}
  steps:
    - {id: one, action: "local:command", credentials: [db], timeout: 60s, input: {argv: [sleep, "SECONDS"]}}
"""


@dataclass(slots=True)
class Scene:
    """An accepted procedure whose step outlives its credential: six seconds of a login in a real PostgreSQL."""

    world: World
    shop: Shop
    quinn: Person

    def claimed(self) -> tuple[Run, Lend]:
        run = self.world.ask(self.quinn, procedure="dump")
        taken = claims.claim_run(run=run.pk, runner=Runner.objects.get(pk=identity().id), at=now())
        assert taken is not None, run.message
        return run, Lend(run.pk, taken.token, "one", "", 1, "db")

    def until(self, lease: Lease) -> Any:
        return self.shop.ask("SELECT rolvaliduntil FROM pg_roles WHERE rolname = %s", lease.evidence["role"])


def told(run: UUID, kind: str) -> list[dict[str, Any]]:
    return [dict(fact.facts) for fact in facts_of_run(run) if fact.kind == kind]


def made(shop: Shop, seconds: int) -> Scene:
    world = new_world()
    world.propose("environment", {**ENVIRONMENTS[0], "networks": ["127.0.0.0/8"]})
    seal(world, "minter", PASSWORD.encode())
    ceiling = {"secret": "minter", "host": shop.address, "database": "app", "tls": "off"}
    binding = {"environment": "development", "name": "db", "role": "reader", "max_ttl_s": 600, "reach": {}}
    world.propose("binding", {**binding, "provider": "postgres-role", "ceiling": ceiling})
    adam = world.person("adam")
    world.may(adam, "author")
    files = {"procedure.yaml": YAML.replace("SECONDS", str(seconds)).encode(), "README.md": b"x"}
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="dump")
    return Scene(world, shop, quinn)


@pytest.fixture(params=["beside", "apart"])
def scene(request: pytest.FixtureRequest, fresh_database: FreshDatabase, settings: Any, shop: Shop) -> Iterator[Scene]:
    with ExitStack() as stack:
        if request.param == "apart":
            settings.OPSPORTAL_ISSUER_SOCKET = str(stack.enter_context(listens()))
            settings.OPSPORTAL_ISSUER_BOUND_S = 2
        yield made(shop, 1)


def renewed(lease: Lease) -> Any:
    assert lease.renew is not None
    return lease.renew()


def refusal(lease: Lease) -> str:
    with pytest.raises(LeaseRefused) as refused:
        renewed(lease)
    return refused.value.message


def test_it_lives_longer_at_its_provider_and_on_record_and_not_past_what_is_declared(scene: Scene) -> None:
    run, asked = scene.claimed()
    with issuer("development").lend(asked) as lease:
        assert lease.renewable
        assert abs(renewed(lease) - lease.expires_at) < timedelta(seconds=1)
        assert not told(run.pk, "lease.renewed"), "whoever asks again and again fills no log"
        time.sleep(3.2)
        ends = renewed(lease)
        assert timedelta(0) < ends - lease.expires_at < timedelta(seconds=10)
        assert ends - now() <= timedelta(seconds=6.5), "no more than the procedure declares, from now"
        assert abs(scene.until(lease) - ends) < timedelta(seconds=1)
        assert LeaseRecord.objects.get().expires_at == ends
    (said,) = told(run.pk, "lease.renewed")
    assert said["lease"] == str(lease.id)
    assert said["was"] < said["expires_at"]
    assert scene.until(lease) is None, "its end is its end"
    assert scene.shop.run_roles() == []


def test_nothing_is_renewed_after_a_cancel_a_stop_a_revocation_or_the_end(scene: Scene) -> None:
    run, asked = scene.claimed()
    with issuer("development").lend(asked) as lease:
        before = scene.until(lease)
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=now())
        assert "asked to cancel" in refusal(lease)
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=None)
        stops.throw(actor=scene.world.mira, environment="development", reason="wait", at=now())
        assert "stopped" in refusal(lease)
        assert scene.until(lease) == before
        refusal(lease)
        assert len(told(run.pk, "lease.refused")) == 2, "each reason is evidence, once"
    with pytest.raises(OpsError):
        renewed(lease)
    assert not told(run.pk, "lease.renewed")


def test_a_revoked_version_and_a_run_that_is_over_get_no_more_time(scene: Scene) -> None:
    run, asked = scene.claimed()
    with issuer("development").lend(asked) as lease:
        life.revoke_version(actor=scene.world.mira, version=run.version_id, reason="bad", at=now())
        assert "was revoked" in refusal(lease)
    endings.interrupt_lost(at=now() + timedelta(minutes=5))
    with pytest.raises(OpsError):
        renewed(lease)


def test_nobody_renews_for_ever_nor_past_the_run_s_deadline_nor_what_is_over(scene: Scene) -> None:
    run, asked = scene.claimed()
    with issuer("development").lend(asked) as lease:
        rows = LeaseRecord.objects.filter(pk=lease.id)
        rows.update(intended_at=now() - timedelta(seconds=61))
        assert "time is over" in refusal(lease), "longer than the step may last"
        rows.update(intended_at=now())
        Run.objects.filter(pk=run.pk).update(deadline_at=now() - timedelta(seconds=1))
        assert "time is over" in refusal(lease)
        Run.objects.filter(pk=run.pk).update(deadline_at=now() + timedelta(minutes=5))
        rows.update(expires_at=now() - timedelta(seconds=1))
        assert "is over" in refusal(lease)
        rows.update(expires_at=now() + timedelta(seconds=5))
        leases.revoked(lease=lease.id, how="revoked", why="its runner fell silent", at=now())
        assert "is over" in refusal(lease)
    assert not told(run.pk, "lease.renewed")


def test_a_renewal_that_says_more_than_that_ends_the_lease(
    fresh_database: FreshDatabase, settings: Any, shop: Shop
) -> None:
    """A compromised runner that names a time, a scope or another's lease: it has only the one of its connection."""
    with listens() as door:
        scene = made(shop, 1)
        for words in ({"renew": True, "ttl_s": 86_400}, {"renew": "another"}, {"renew": True, "role": "fixer"}):
            run, asked = scene.claimed()
            with raw(door) as link:
                _, said = proved(link, asked)
                assert said is not None
                link.send(words)
                link.hear()
                until(lambda: LeaseRecord.objects.get(pk=said["lease"]["id"]).state == "revoked")  # noqa: B023
            assert not told(run.pk, "lease.renewed")
            endings.interrupt_lost(at=now() + timedelta(minutes=5))
        assert shop.run_roles() == []


def test_a_step_that_outlives_its_credential_goes_on_and_ends_well(fresh_database: FreshDatabase, shop: Shop) -> None:
    scene = made(shop, 9)
    run = scene.world.ask(scene.quinn, procedure="dump")
    drive.drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded", run.message
    assert 1 <= len(told(run.pk, "lease.renewed")) <= 4
    assert shop.run_roles() == []


@pytest.mark.once  # a thread acts as somebody else while the run goes on: no part's role stands for both
def test_a_step_whose_renewal_is_refused_ends_with_its_credential_and_says_why(
    fresh_database: FreshDatabase, shop: Shop
) -> None:
    scene = made(shop, 30)
    run = scene.world.ask(scene.quinn, procedure="dump")

    def revoke() -> None:
        from django.db import connections

        while not LeaseRecord.objects.filter(state="issued").exists():
            time.sleep(0.1)
        life.revoke_version(actor=scene.world.mira, version=run.version_id, reason="bad", at=now())
        connections.close_all()

    meanwhile, began = threading.Thread(target=revoke), time.monotonic()
    meanwhile.start()
    drive.drive(run.id)
    meanwhile.join()
    run.refresh_from_db()
    task = run.tasks.get(step="one")
    assert (run.state, task.state) == ("failed", "failed"), "nobody canceled it, and its own time was not over"
    assert "was not renewed: The version was revoked." in task.message
    assert time.monotonic() - began < 25
    assert shop.run_roles() == []
