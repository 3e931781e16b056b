"""Brokers from the place of a pool's user: it reads its own queue and nothing else, and what it forges does nothing."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.conf import settings
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from opsportal.settings import brokers
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Run
from procedures.runner import tasks
from tests.fixtures.valkey import Broker
from tests.opsportal.test_celery import WORKER, sender

HANDBOOK = Path(settings.BASE_DIR) / "opsportal" / "handbook" / "runners.md"
LINK: Any = Connection
QUEUE = "environment.test"  # what WORKER reads


def rules(user: str, pool: str = "ENVIRONMENT") -> list[str]:
    """The words of the handbook's ACL for a user, so that what is tried is what is written there."""
    found = re.search(rf"^    user {user} (.+)$", HANDBOOK.read_text(), re.MULTILINE)
    assert found is not None
    return found[1].replace("ENVIRONMENT", pool).replace("PASSWORD", "pw").split()


@pytest.fixture
def pools(valkey: Broker) -> Callable[[str], str]:
    """Gives the URL of a pool's own user; the one that everybody has is switched off at the end of `locked`."""
    admin: Any = redis.Redis(unix_socket_path=str(valkey.socket))

    def url(pool: str) -> str:
        admin.execute_command("ACL", "SETUSER", "portal", *rules("portal"))
        admin.execute_command("ACL", "SETUSER", f"runner-{pool}", *rules("runner-ENVIRONMENT", pool))
        return f"redis+socket://runner-{pool}:pw@{valkey.socket}"

    return url


def wait_for(found: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.05)
    assert found()


@pytest.mark.once
def test_a_worker_reads_its_own_queue_as_its_pools_user_past_what_was_forged(
    valkey: Broker, pools: Callable[[str], str], tmp_path: Path
) -> None:
    url, seen = pools("test"), tmp_path / "seen"
    sender(valkey.url).send_task("tests.forged", [str(uuid4()), "rm -rf /"], queue=QUEUE)
    sender(valkey.url).send_task("tests.seen", [], kwargs={"argv": ["sh"]}, queue=QUEUE)
    sender(valkey.url).send_task("tests.seen", ["good"], queue=QUEUE)
    environ = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/worker.sqlite3"}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, url, str(seen)], env=environ)
    try:
        wait_for(lambda: seen.exists() and bool(seen.read_text()))
    finally:
        worker.terminate()
        worker.wait(20)
    assert [line.split()[0] for line in seen.read_text().splitlines()] == ["good"]


@pytest.mark.once
def test_the_user_of_one_pool_can_neither_read_nor_write_the_queue_of_another(
    valkey: Broker, pools: Callable[[str], str]
) -> None:
    staging = sender(pools("staging"))
    portal = f"redis+socket://portal:pw@{valkey.socket}"
    sender(portal).send_task("tests.seen", ["secret"], queue="environment.production")
    staging.send_task("tests.seen", ["mine"], queue="environment.staging")
    with pytest.raises(OperationalError, match="No permissions"):
        staging.send_task("tests.seen", ["forged"], queue="environment.production")
    mine: Any = redis.Redis(unix_socket_path=str(valkey.socket), username="runner-staging", password="pw")
    for word in ("production", "pre-staging", "staging-2", "production.environment.staging.x"):
        commands: tuple[tuple[str | int, ...], ...] = (
            ("BRPOP", f"opsportal.environment.{word}", 1),
            ("LLEN", f"opsportal.environment.{word}"),
            ("LPUSH", f"opsportal.environment.{word}", "x"),
            ("HGET", f"opsportal.unacked.environment.{word}", "x"),
            ("DEL", f"opsportal.environment.{word}"),
        )
        for command in commands:
            with pytest.raises(redis.exceptions.NoPermissionError):
                mine.execute_command(*command)
    for words in ("KEYS *", "ACL LIST", "CONFIG GET *", "FLUSHALL", "CLIENT LIST"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            mine.execute_command(*words.split())
    sends: Any = redis.Redis(unix_socket_path=str(valkey.socket), username="portal", password="pw")
    for words in ("BRPOP opsportal.environment.production 1", "DEL opsportal.environment.production", "KEYS *"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            sends.execute_command(*words.split())
    left = redis.Redis(unix_socket_path=str(valkey.socket))
    assert left.llen("opsportal.environment.production") == 1


@pytest.mark.ordinary
def test_a_forged_message_names_an_id_and_does_nothing(db: None) -> None:
    """Of whatever kind: an id of nothing, a text, a path."""
    before = Event.objects.count()
    for task in (tasks.drive_run, tasks.drive_draft, tasks.try_version, tasks.fetch_options):
        task(str(uuid4()))
        for text in ("x", "../../etc/passwd", json.dumps({"argv": ["sh"]})):
            with pytest.raises(ValueError, match="hexadecimal"):
                task(text)
    tasks.sync_inventory("../../etc/passwd")
    tasks.contact_targets("nowhere")
    assert (Run.objects.count(), Event.objects.count()) == (0, before)


def test_who_sends_gives_up_and_who_consumes_is_patient_on_both_brokers() -> None:
    for url, timeout in (("redis://h/0", "socket_timeout"), ("amqp://h//", "connect_timeout")):
        quick, patient = brokers.sending(url), brokers.consuming(url, ["environment.staging"])
        assert quick[timeout] < 1 < patient[timeout]
        assert quick["max_retries"] == 1
    assert brokers.sending("amqp://h//")["confirm_publish"]
    assert "global_keyprefix" not in brokers.sending("amqp://h//")
    assert brokers.consuming("redis://h", ["b", "a"])["unacked_key"] == "unacked.a.b"
    assert brokers.kind_of("amqps://h") == brokers.RABBITMQ
    assert brokers.kind_of("rediss://h") == brokers.kind_of("redis+socket:///x") == brokers.REDIS


@pytest.mark.once
@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_a_broker_with_another_certificate_is_told_nothing(scheme: str, tmp_path: Path) -> None:
    """One of another authority, and one of ours for another name: no byte of a password leaves this process."""
    ours, theirs = Authority("ours"), Authority("theirs")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(ours.pem)
    for authority, name, problem in (
        (theirs, "localhost", "unable to get local issuer|self.signed"),
        (ours, "broker.example.com", "[Hh]ostname mismatch|doesn't match"),
    ):
        with listening(authority.certificate(name, tmp_path)) as (port, heard):
            url = f"{scheme}://user:password@localhost:{port}//"
            options = {**brokers.sending(url), "socket_connect_timeout": 5, "socket_timeout": 5, "connect_timeout": 5}
            link = LINK(url, ssl=brokers.trusted(url, str(trusted)), transport_options=options)
            with pytest.raises((OSError, redis.exceptions.RedisError, ssl.SSLError), match=problem):
                link.connect()
            link.release()
        assert heard == []
    assert brokers.trusted("redis://h", "") is None


class Authority:
    """A certificate authority of this test."""

    def __init__(self, name: str) -> None:
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), x509.Name([_common(name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self.own = self._built(self.name, self.key).add_extension(basic, critical=True).sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.own.public_bytes(Encoding.PEM)

    def certificate(self, host: str, folder: Path) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.SubjectAlternativeName([x509.DNSName(host)])
        made = self._built(x509.Name([_common(host)]), key).add_extension(named, critical=False)
        path = folder / f"{uuid4()}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM) + secret)
        return path

    def _built(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now() - timedelta(days=1))
        return made.not_valid_after(now() + timedelta(days=1))


def _common(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)


@contextmanager
def listening(certificate: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A TLS server that shows this certificate and keeps what it is told after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = server.accept()
                with context.wrap_socket(link, server_side=True) as told:
                    told.settimeout(2)
                    if data := told.recv(4096):
                        heard.append(data)
            except ssl.SSLError:
                continue
            except OSError:
                if server.fileno() < 0:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1], heard
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
