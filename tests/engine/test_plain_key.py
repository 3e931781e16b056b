"""A plain key and a host are enough to begin: sealed to one pool, opened for one run, found nowhere afterwards."""

from __future__ import annotations

import base64
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from opsportal.demo.hosts import Host
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.sealing import WillNotOpen, secret_object, unseal
from procedures.issuer import judgement
from procedures.issuer.keys import pool_key
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.issuer.sealed import sealed_secret
from procedures.models import Person, PoolKey, Run, SealedSecret, Version
from procedures.runner.drive import drive
from procedures.services import versions
from procedures.services.control_effects import SecretElsewhere
from tests.factories.portal import World
from tests.fixtures.counterparts import need

pytestmark = pytest.mark.ordinary

YAML = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: who-am-i}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
  callableBy: [outer]
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - {id: who, action: "ssh:command", credentials: [deploy], timeout: 20s, input: {argv: [id, -un]}}
"""


@dataclass(slots=True)
class Place:
    """A host that lets one plain key in."""

    world: World
    host: Host
    private: bytes

    def seal(self, environment: str = "development", name: str = "deploy-key") -> None:
        pool = PoolKey.objects.get(environment_id=environment).public
        self.world.propose("secret", secret_object(environment=environment, name=name, value=self.private, pool=pool))

    def furnish(self) -> Version:
        """Target at level key, binding that names the sealed key, and the procedure accepted."""
        self.world.propose(
            "target",
            {
                "environment": "development",
                "name": "web-01",
                "address": "127.0.0.1",
                "port": self.host.port,
                "host_key": self.host.host_key,
                "trust": "key",
                "tags": {"role": "web"},
                "attributes": {},
                "action": "set",
            },
        )
        self.world.propose(
            "binding",
            {
                "environment": "development",
                "name": "deploy",
                "provider": "ssh-key",
                "role": self.host.account,
                "ceiling": {"secret": "deploy-key"},
                "max_ttl_s": 300,
                "reach": {},
            },
        )
        adam = self.world.person("adam")
        self.world.may(adam, "author")
        version = versions.submit_version(
            actor=adam, files={"procedure.yaml": YAML, "README.md": b"x"}, note="", at=now()
        )
        self.world.review(self.world.mira, version, "operations", "security", signed=True)
        version.refresh_from_db()
        return version

    def run(self) -> Run:
        quinn = self.world.person("quinn")
        self.world.may(quinn, "run", procedure="who-am-i")
        run = self.world.ask(quinn, procedure="who-am-i")
        drive(run.id)
        run.refresh_from_db()
        return run


@pytest.fixture
def place(world: World, host_number: int) -> Iterator[Place]:
    need("sshd")
    folder = Path(tempfile.mkdtemp(prefix="opsportal-key-", dir="/var/tmp"))
    folder.chmod(0o711)
    host = Host("web-01", folder / "web-01", 102 + host_number)
    host.start()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "plain")], check=True)
    host.trust(keys=(folder / "plain.pub").read_text())
    yield Place(world, host, (folder / "plain").read_bytes())
    host.stop()


def everything_stored() -> bytes:
    """Every value of every table, as bytes."""
    found: list[bytes] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names from the catalogue
            for row in cursor.fetchall():
                found += [bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row]
    return b"\n".join(found)


def test_a_plain_key_and_a_host_are_enough_to_begin(place: Place) -> None:
    place.seal()
    version = place.furnish()
    assert (version.state, version.risk) == ("accepted", "moderate"), "a host with a plain key raises low by one step"
    run = place.run()
    log = "".join(run.log.order_by("seq").values_list("text", flat=True))
    assert (run.state, log.strip()) == ("succeeded", place.host.account), log
    assert "Accepted publickey" in place.host.log


def test_the_key_is_found_nowhere(place: Place) -> None:
    place.seal()
    place.furnish()
    assert place.run().state == "succeeded"
    stored = everything_stored()
    middle = place.private.splitlines()[2]
    for form in (middle, base64.b64encode(middle)[8:40], middle.hex().encode()):
        assert form not in stored
    assert b"deploy-key" in stored, "the control: what is stored was looked at"
    box = bytes(SealedSecret.objects.get().ciphertext)
    _, _, private = pool_key(Path(settings.OPSPORTAL_KEYS_DIR), "development")
    assert unseal(private, box, info="secret/development/deploy-key") == place.private


def test_a_row_that_was_moved_or_sealed_for_another_pool_does_not_open(place: Place) -> None:
    place.seal()
    keys = Path(settings.OPSPORTAL_KEYS_DIR)
    assert sealed_secret(keys, "development", "deploy-key").reveal() == place.private
    SealedSecret.objects.update(name="other-name")
    with pytest.raises(WillNotOpen):
        sealed_secret(keys, "development", "other-name")
    SealedSecret.objects.update(name="deploy-key", environment_id="staging")
    with pytest.raises(WillNotOpen):
        sealed_secret(keys, "staging", "deploy-key")


def test_a_run_whose_key_was_swapped_fails_and_says_which_credential(place: Place) -> None:
    place.seal()
    place.furnish()
    other = secret_object(
        environment="development",
        name="another",
        value=place.private,
        pool=PoolKey.objects.get(environment_id="development").public,
    )
    SealedSecret.objects.update(ciphertext=base64.b64decode(other["ciphertext"]))
    run = place.run()
    assert run.state == "failed"
    assert "Accepted publickey" not in place.host.log


def test_one_value_never_stands_in_two_environments(place: Place) -> None:
    place.seal()
    with pytest.raises(SecretElsewhere):
        place.seal("staging", "the-same")


def test_a_binding_without_its_secret_is_refused_at_review_or_at_issue_not_ignored(place: Place) -> None:
    place.furnish()
    run: Any = place.run()
    assert run.state == "failed"
    assert "holds no sealed secret" in " ".join(run.tasks.values_list("message", flat=True)) + "".join(
        run.log.values_list("text", flat=True)
    )


OUTER = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: outer}
spec:
  owner: group:default/x
  type: diagnostic
  risk: moderate
  environments: [development]
  timeout: 1m
  steps:
    - {id: ask, action: "procedure:run", timeout: 30s, input: {procedure: who-am-i}}
"""


def outer_run(place: Place) -> Run:
    """A run of a procedure that holds no credential and calls one that does."""
    place.seal()
    place.furnish()
    adam = Person.objects.get(username="adam")
    version = versions.submit_version(actor=adam, files={"procedure.yaml": OUTER, "README.md": b"x"}, note="", at=now())
    place.world.review(place.world.mira, version, "operations", "security", signed=True)
    quinn = place.world.person("quinn")
    place.world.may(quinn, "run", procedure="outer")
    return place.world.ask(quinn, procedure="outer")


def test_what_is_called_gets_its_own_credential_for_its_own_step(place: Place) -> None:
    run = outer_run(place)
    drive(run.id)
    run.refresh_from_db()
    log = "".join(run.log.order_by("seq").values_list("text", flat=True))
    assert (run.state, log.strip()) == ("succeeded", place.host.account), log
    lease = run.leases.get()
    assert (lease.step, lease.credential, lease.target) == ("ask/who", "ask/deploy", "web-01")


def test_the_issuer_lends_nothing_for_a_call_that_no_accepted_closure_pins(place: Place) -> None:
    """The attacker holds the database: the plan names another version than the one that reviewers saw pinned."""
    run = outer_run(place)
    plan = parse(bytes(run.plan))
    authority = replay()
    judgement.judge_run(authority, run, plan, at=now())
    other = {**plan["calls"][0], "digest": "sha256:" + "0" * 64}
    with pytest.raises(LeaseRefused, match="does not pin"):
        judgement.judge_run(authority, run, {**plan, "calls": [other]}, at=now())
