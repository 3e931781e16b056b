"""A real sshd's own log against what was lent: whoever came in with anything else is told, whatever our tables say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.test import Client

from opsportal.demo.hosts import Host
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.ports import Lease
from procedures.evidence.queries import facts_of_kinds
from procedures.models import LeaseRecord, Notice, PortalSetting
from procedures.runner.drive import issuer, keys
from procedures.services import logins
from procedures.ssh.authority import issue, load_ca
from procedures.ssh.transport import connect
from tests.factories.lending import Claimed, claimed, furnish
from tests.factories.portal import PASSWORD, new_world
from tests.fixtures.counterparts import need
from tests.fixtures.databases import FreshDatabase

pytestmark = [pytest.mark.ordinary, pytest.mark.timeout(120)]


@dataclass(slots=True)
class Scene:
    """A claimed run in development, and its target web-1, which is a real sshd that trusts that authority."""

    claimed: Claimed
    host: Host

    def comes_in(self, private: bytes, certificate: str | None = None) -> None:
        host = self.host
        connect(
            address=host.address,
            port=host.port,
            host_key=host.host_key,
            account=host.account,
            private_key=private,
            certificate=certificate,
        ).close()

    def with_lease(self, lease: Lease) -> None:
        self.comes_in(lease.material["private_key"].reveal(), lease.material["certificate"].reveal().decode())

    def held(self, log: str = "") -> logins.Found:
        mira = self.claimed.world.mira
        return logins.reconcile(actor=mira, target="web-1", log=log or self.host.log, at=now())


def told() -> list[dict[str, Any]]:
    return [dict(fact.facts) for fact in facts_of_kinds("target.unknown_login")]


@pytest.fixture
def scene(fresh_database: FreshDatabase, host_number: int, settings: Any) -> Iterator[Scene]:
    need("sshd")
    settings.OPSPORTAL_RUNNER_ADDRESS = ""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opsportal-sshd-", dir="/var/tmp")))
        folder.chmod(0o711)
        host = Host("web-1", folder / "web-1", 131 + host_number)
        host.start()
        stack.callback(host.stop)
        load_ca(keys() / "ssh-ca-development")
        public = (keys() / "ssh-ca-development.pub").read_text()
        host.trust(ca=public)
        world = new_world()
        said = PortalSetting.objects.get(name="ssh-authorities")
        said.value["development"] = " ".join(public.split()[:2])
        said.save()
        quinn = furnish(world, host_key=host.host_key, port=host.port, account=host.account)
        yield Scene(claimed(world, quinn), host)


def test_what_was_lent_is_known_and_nothing_is_told(scene: Scene) -> None:
    with issuer("development").lend(scene.claimed.ask()) as lease:
        scene.with_lease(lease)
    found = scene.held()
    assert (found.logins, found.known, list(found.unknown)) == (1, 1, []), scene.host.log
    assert not told()
    (said,) = facts_of_kinds("target.reconciled")
    assert (said.facts["target"], said.facts["known"]) == ("web-1", 1)


def test_a_certificate_that_a_stolen_authority_made_is_told_once_though_nobody_recorded_it(scene: Scene) -> None:
    """Whoever has the authority's key lends to themselves; the host lets them in, and its log is what tells."""
    made = issue(
        load_ca(keys() / "ssh-ca-development"),
        principals=[f"{scene.host.account}@web-1"],
        key_id=f"run={scene.claimed.run.pk} no=1 step=one host=web-1 requester=quinn approvers=none procedure=tidy",
        options={},
        at=now(),
        until=now() + timedelta(minutes=5),
    )
    scene.comes_in(made.private_key, made.certificate)
    found = scene.held()
    (one,) = found.unknown
    assert "whose serial was lent to no run" in one[1]
    assert (told()[0]["serial"], told()[0]["target"]) == (str(made.serial), "web-1")
    assert Notice.objects.filter(kind="target.unknown_login", person=scene.claimed.world.mira).count() == 1
    assert scene.held().fresh == 0
    assert len(told()) == 1, "however often the log is brought"


def test_a_row_that_somebody_wrote_into_the_ledger_without_its_event_knows_nothing(scene: Scene) -> None:
    with issuer("development").lend(scene.claimed.ask()) as lease:
        pass
    row = LeaseRecord.objects.get(pk=lease.id)
    made = issue(
        load_ca(keys() / "ssh-ca-development"),
        principals=[f"{scene.host.account}@web-1"],
        key_id=str(row.facts["key_id"]),
        options={},
        at=now(),
        until=now() + timedelta(minutes=5),
    )
    LeaseRecord.objects.filter(pk=row.pk).update(
        handle=str(made.serial), facts={**row.facts, "serial": str(made.serial)}
    )
    scene.comes_in(made.private_key, made.certificate)
    assert len(scene.held().unknown) == 1


def test_a_serial_and_a_key_id_that_somebody_copied_do_not_pass_for_the_key_that_was_lent(scene: Scene) -> None:
    with issuer("development").lend(scene.claimed.ask()) as lease:
        pass  # its runner never came in with it
    copied = issue(
        load_ca(keys() / "ssh-ca-development"),
        principals=[f"{scene.host.account}@web-1"],
        key_id=str(lease.evidence["key_id"]),
        options={},
        at=now(),
        until=now() + timedelta(minutes=5),
    )
    scene.comes_in(copied.private_key, copied.certificate)
    log = scene.host.log.replace(f"(serial {copied.serial})", f"(serial {lease.evidence['serial']})")
    (one,) = scene.held(log).unknown
    assert "another key" in one[1]


def test_a_certificate_used_a_second_time_and_a_key_beside_it_are_told(scene: Scene) -> None:
    with issuer("development").lend(scene.claimed.ask()) as lease:
        scene.with_lease(lease)
        scene.with_lease(lease)
    own = Ed25519PrivateKey.generate()
    public = own.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    scene.host.trust(ca=(keys() / "ssh-ca-development.pub").read_text(), keys=public + "\n")
    scene.comes_in(own.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    found = scene.held()
    assert found.logins == 3
    why = sorted({why for _, why in found.unknown})
    assert len(why) == 2
    assert "a key that was lent to no run" in why[1]
    assert "more than once" in why[0]


def test_who_does_not_operate_the_environment_brings_no_log_and_an_empty_one_is_refused(
    scene: Scene, client: Client
) -> None:
    line = "Accepted password for deploy from 10.0.0.9 port 1 ssh2"
    world, quinn = scene.claimed.world, scene.claimed.quinn
    with pytest.raises(NotFound):
        logins.reconcile(actor=quinn, target="web-1", log=line, at=now())
    world.may(quinn, "view", procedure="tidy")
    with pytest.raises((NotAllowed, NotFound)):
        logins.reconcile(actor=quinn, target="web-1", log=line, at=now())
    with pytest.raises(InvalidInput, match="LogLevel VERBOSE"):
        scene.held("nothing of sshd's")
    assert client.login(username="mira", password=PASSWORD)
    answer = client.post("/api/v1/targets/web-1/logins/", {"log": line}, "application/json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["unknown"] == (1 if scene.host.account == "deploy" else 0)
