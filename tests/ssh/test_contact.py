"""Contact: a host shows its confirmed key, a cluster a certificate of its confirmed authority; nobody logs in."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.ports import Target
from procedures.models import TargetContact
from procedures.runner.contacting import contact_all
from procedures.services import targets
from procedures.ssh.contact import contact, contact_each
from tests.factories.portal import World, new_world
from tests.inventories.conftest import host_key, live, target
from tests.ssh.conftest import Place


def test_a_host_is_in_contact_only_as_the_one_that_was_confirmed(place: Place) -> None:
    before = place.host.log
    other = replace(place.target, name="other", host_key=host_key())
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = replace(place.target, name="away", port=closed.getsockname()[1])
        found = contact_each([place.target, other, away])
    assert found["web-01"] == ("reached", "")
    assert found["other"][0] == "other_key"
    assert found["away"] == ("unreachable", found["away"][1])
    assert "does not answer" in found["away"][1]
    assert "Accepted" not in place.host.log[len(before) :], "nobody logged in"
    assert contact_each([]) == {}


def test_a_silent_port_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setattr("procedures.ssh.contact.CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert contact(replace(place.target, port=silent.getsockname()[1]))[0] == "unreachable"


class Authority:
    """A certificate authority and a TLS server with a certificate of it, for 127.0.0.1."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(self.key, "ca", ca=True)

    def _signed(self, key: ec.EllipticCurvePrivateKey, name: str, *, ca: bool) -> x509.Certificate:
        mine, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (name, "ca"))
        made = x509.CertificateBuilder().subject_name(mine).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now() - timedelta(days=1))
        made = made.not_valid_after(now() + timedelta(days=9))
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        alias = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return made.add_extension(alias, critical=False).sign(self.key, SHA256())

    @contextmanager
    def serving(self, folder: Path) -> Iterator[int]:
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "pem").write_bytes(text + self._signed(key, "api", ca=False).public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "pem")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            threading.Thread(target=self._answer, args=(listening, context), daemon=True).start()
            yield listening.getsockname()[1]

    @staticmethod
    def _answer(listening: socket.socket, context: ssl.SSLContext) -> None:
        while True:
            try:
                raw, _ = listening.accept()
                with context.wrap_socket(raw, server_side=True):
                    continue
            except ssl.SSLError:
                continue
            except OSError:
                return

    @property
    def mark(self) -> str:
        return "x509-ca " + base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()


def test_a_cluster_is_in_contact_only_under_its_authority(place: Place, tmp_path: Path) -> None:
    mine, other = Authority(), Authority()
    with mine.serving(tmp_path) as port:
        cluster: Target = replace(place.target, name="c", port=port, host_key=mine.mark)
        assert contact(cluster) == ("reached", "")
        assert contact(replace(cluster, host_key=other.mark))[0] == "other_key"
    assert contact(replace(place.target, host_key=mine.mark))[0] == "unreachable", "an SSH host is no cluster"


@pytest.fixture
def world(db: None) -> World:
    return new_world()


@pytest.mark.ordinary
def test_a_runner_looks_when_it_is_due_and_a_change_of_tags_forgets_no_contact(world: World, place: Place) -> None:
    where = {"address": "127.0.0.1", "port": place.host.port}
    world.propose("target", target("web-1", "development", place.host.host_key, **where))
    world.propose("target", target("gone", "development", host_key(), address="127.0.0.1", port=9))
    assert {row.name for row in targets.due(["development", "staging"], at=now())} == {"web-1", "gone"}
    contact_all("development")
    assert {c.target.name: c.state for c in TargetContact.objects.all()} == {"web-1": "reached", "gone": "unreachable"}
    assert targets.due(["development"], at=now()) == []
    assert len(targets.due(["development"], at=now() + timedelta(seconds=301))) == 2
    first = live("web-1").contact.reached_at
    world.propose("target", target("web-1", "development", place.host.host_key, tags={"role": "web"}, **where))
    assert live("web-1").contact.reached_at == first
    world.propose("target", target("web-1", "development", place.host.host_key, address="127.0.0.2"))
    assert not hasattr(live("web-1"), "contact"), "another place was never contacted"
    with pytest.raises(NotAllowed):
        targets.ask_for_contact(actor=world.person("quinn"), environment="development", at=now())
