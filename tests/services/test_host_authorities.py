"""A target that demands a certificate of its host: a control object like the rest of it, and never lost by silence."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.control_shapes import check
from procedures.domain.errors import InvalidInput
from procedures.domain.inventories import _object
from procedures.domain.inventory_sources import Found
from procedures.domain.sshkeys import fingerprint
from procedures.issuer.derived import target_of
from procedures.issuer.judgement import judge_target
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import PortalSetting, Run, Target
from procedures.services import controls, plans
from tests.engine.test_runs import procedure
from tests.factories.portal import World, public_text
from tests.fixtures.parts import as_owner
from tests.services.test_target_changes import host as plain_host

AUTHORITY = public_text(Ed25519PrivateKey.generate())


def host(number: int, **changed: Any) -> dict[str, Any]:
    return plain_host(number, **{"trust": "certificate", **changed})


def proposed(world: World, **said: Any) -> Any:
    return controls.propose(actor=world.mira, control="target", object=said, signature=None, at=now())


def demanding(world: World) -> Target:
    proposed(world, **host(1, host_authority=AUTHORITY))
    return Target.objects.get(name="web-1", ended_at__isnull=True)


def test_what_demands_a_certificate_stops_to_do_so_only_by_words(world: World) -> None:
    row = demanding(world)
    said = host(1, host_key=row.host_key)
    with pytest.raises(InvalidInput, match="is demanded of this target"):
        proposed(world, **said)
    assert proposed(world, **said, host_authority="").state == "confirmed"
    assert Target.objects.get(name="web-1", ended_at__isnull=True).host_authority == ""
    assert proposed(world, **said).state == "confirmed", "nothing is demanded any more"


def test_an_inventory_keeps_what_people_demand(world: World) -> None:
    row = demanding(world)
    found = Found("web-1", "192.0.2.9", 22, row.host_key, "", {})
    about = {"environment": "development", "name": "source", "trust": "key"}
    assert _object(about, found, plans.as_port(row))["host_authority"] == AUTHORITY
    assert "host_authority" not in _object(about, found, None)


@pytest.mark.parametrize(
    "bad",
    ["ssh-ed25519", "x509-ca AAAA", "ssh-ed25519 AAAA BBBB", f"{AUTHORITY}\n", "cert-authority *", "sk-ssh A"],
    ids=range(6),
)
def test_what_is_no_key_is_refused_by_its_shape(bad: str) -> None:
    with pytest.raises(InvalidInput, match="host_authority"):
        check("target", host(1, host_authority=bad))


def test_one_environment_s_authority_certifies_no_other_s_hosts_and_lets_nobody_in(world: World) -> None:
    row = demanding(world)
    with as_owner():
        Target.objects.filter(pk=row.pk).update(environment="staging")
        PortalSetting.objects.update_or_create(
            name="ssh-authorities", defaults={"value": {"staging": f"{AUTHORITY[:-6]}AAAAAA"}, "since_at": now()}
        )
    with pytest.raises(InvalidInput, match="authority of hosts of staging"):
        proposed(world, **host(2, host_authority=AUTHORITY))
    with as_owner():
        PortalSetting.objects.filter(name="ssh-authorities").update(value={"production": AUTHORITY})
    with pytest.raises(InvalidInput, match="the authority that lets runs in"):
        proposed(world, **host(2, host_authority=AUTHORITY))
    with pytest.raises(InvalidInput, match="not an OpenSSH public key"):
        proposed(world, **host(2, host_authority="ssh-ed25519 AAAA"))


def test_the_plan_says_which_trust_applies_and_the_issuer_holds_the_table_to_it(world: World) -> None:
    """A web process that empties the column gets no credential used against a host that shows its bare key."""
    row = demanding(world)
    run = world.ask(procedure(world, "hosts", STEP, tail="  targets: {filter: 'role=web'}\n"), procedure="hosts")
    planned = planned_of(run)
    assert planned["host_authority"] == fingerprint(AUTHORITY)
    authority, true = replay(), plans.as_port(row)
    judge_target(authority, true, planned)
    for wrong in (replace(true, host_authority=""), replace(true, host_authority=public_text(KEY))):
        with pytest.raises(LeaseRefused, match="not the one that was confirmed"):
            judge_target(authority, wrong, planned)
    without = {name: value for name, value in planned.items() if name != "host_authority"}
    with pytest.raises(LeaseRefused, match="not the one that was confirmed"):
        judge_target(authority, true, without)
    assert target_of(planned, "development", row.host_key, AUTHORITY).host_authority == AUTHORITY


def test_a_plan_of_a_host_that_demands_none_has_the_bytes_that_it_always_had(world: World) -> None:
    proposed(world, **host(1))
    run = world.ask(procedure(world, "hosts", STEP, tail="  targets: {filter: 'role=web'}\n"), procedure="hosts")
    assert set(planned_of(run)) == {"name", "address", "port", "host_key", "trust", "tags"}


def test_the_page_and_the_interface_name_the_authority(world: World) -> None:
    demanding(world)
    client = Client()
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    shown = client.get("/environments/development/target/?name=web-1").content.decode()
    assert fingerprint(AUTHORITY) in html.unescape(shown)
    assert client.get("/api/v1/targets/web-1/").json()["host_authority"] == fingerprint(AUTHORITY)


STEP = "{id: a, action: 'local:command', timeout: 20s, input: {argv: ['true']}, each: '${{ targets }}'}"
KEY = Ed25519PrivateKey.generate()


def planned_of(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = next(one for one in json.loads(bytes(run.plan))["targets"] if one["name"] == "web-1")
    return row
