"""A rolling run over five hundred hosts stops at its limit of failures; the hosts' own log says which it touched."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings

from opsportal.demo.hosts import Host
from procedures.domain import plan
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.models import Run
from procedures.runner.drive import drive
from procedures.services import versions
from procedures.ssh.authority import load_ca
from tests.factories.fleet import Fleet
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

pytestmark = [pytest.mark.figures, pytest.mark.timeout(1800)]
COUNT, BATCH, ALLOWED = 500, 25, 7
YAML = f"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: restart}}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  timeout: 20m
  targets: {{filter: "role=web", strategy: {{mode: rolling, batch: {BATCH}, maxFailures: {ALLOWED}, order: random}}}}
  credentials: {{deploy: {{kind: ssh, ttl: 5m}}}}
  steps:
    - {{id: one, action: "ssh:script", credentials: [deploy], timeout: 60s, input: {{script: one.sh}}}}
"""
SCRIPT = """\
#!/bin/sh
set -- $SSH_CONNECTION
echo "$3" >> "$HOME/touched"
case $3 in *7) exit 3;; esac
"""


@pytest.fixture
def world(fresh_database: FreshDatabase) -> World:
    """A thread per host needs what is committed."""
    return new_world()


@pytest.fixture
def fleet(host_number: int) -> Iterator[Fleet]:
    folder = Path(tempfile.mkdtemp(prefix="opsportal-fleet-", dir="/var/tmp"))
    folder.chmod(0o711)
    made = Fleet(Host("fleet", folder / "fleet", 104 + host_number), COUNT)
    key = load_ca(Path(django_settings.OPSPORTAL_KEYS_DIR) / "ssh-ca-development").public_key()
    made.start(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    yield made
    made.stop()


def town(world: World, fleet: Fleet) -> None:
    for name in fleet.names:
        where = {"environment": "development", "name": name, "address": fleet.address(name), "port": fleet.port}
        about = {"host_key": fleet.keys[name], "trust": "certificate", "tags": {"role": "web"}, "attributes": {}}
        world.propose("target", {**where, **about, "action": "set"})
    role = {"provider": "ssh-certificate", "role": fleet.host.account, "ceiling": {}, "max_ttl_s": 300, "reach": {}}
    world.propose("binding", {"environment": "development", "name": "deploy", **role})


def test_a_rolling_run_over_five_hundred_hosts_stops_at_its_limit(
    world: World, fleet: Fleet, figure: Callable[[str, Any], None]
) -> None:
    town(world, fleet)
    adam, quinn = world.person("adam"), world.person("quinn")
    world.may(adam, "author")
    files = {"procedure.yaml": YAML.encode(), "README.md": b"x", "one.sh": SCRIPT.encode()}
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    world.may(quinn, "run", procedure="restart")
    run = world.ask(quinn, procedure="restart")
    began = time.monotonic()
    drive(run.id)
    took = time.monotonic() - began
    run.refresh_from_db()
    assert run.state == "failed"
    order = parse(bytes(run.plan))["batches"]
    bad = {name for name in fleet.names if fleet.address(name).endswith("7")}
    reached, failures = 0, 0
    while failures <= ALLOWED:
        failures += len(bad & set(order[reached]))
        reached += 1
    expected = {name for batch in order[:reached] for name in batch}
    assert COUNT / 20 < len(expected) < COUNT / 2
    assert fleet.touched() == expected, "these hosts and no other, by their own word"
    states = dict(run.tasks.values_list("target", "state"))
    assert states == {name: "failed" if name in bad else "succeeded" for name in expected}
    assert not Run.objects.get(pk=run.pk).leases.exclude(state="revoked").exists()
    assert plan.plan_digest(bytes(run.plan)) == run.plan_digest
    kept = {"hosts": COUNT, "touched": len(expected), "failed": failures, "allowed": ALLOWED}
    figure("rolling_500", {**kept, "seconds_a_host": round(took / len(expected), 2)})
