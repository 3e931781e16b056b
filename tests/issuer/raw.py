"""A connection to an issuer whose every byte the attacker chooses."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from procedures.domain.lending import Lend
from procedures.issuer import wire
from procedures.issuer.refusals import LeaseRefused
from procedures.runner.apart import Apart
from procedures.runner.drive import identity
from tests.factories.lending import Claimed, claimed, listens
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase


@pytest.fixture
def under_way(fresh_database: FreshDatabase, settings: Any) -> Claimed:
    settings.OPSPORTAL_ISSUER_BOUND_S = 1
    return claimed(new_world())


@pytest.fixture
def door(under_way: Claimed) -> Iterator[Path]:
    with listens() as path:
        yield path


class Raw:
    """A connection whose every byte the attacker chooses."""

    def __init__(self, path: Path) -> None:
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(str(path))
        self.link.settimeout(10)

    def send(self, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # it hung up: what is heard next says so
            self.link.sendall(struct.pack(">I", len(data)) + data)

    def hear(self) -> dict[str, Any] | None:
        """The next message but signs of work; None once it hung up."""
        while True:
            try:
                head = self.link.recv(4)
            except ConnectionResetError:
                return None
            if len(head) < 4:
                return None
            data = b""
            while len(data) < struct.unpack(">I", head)[0]:
                data += self.link.recv(65_536)
            said: dict[str, Any] = json.loads(data)
            if "working" not in said:
                return said

    def close(self) -> None:
        self.link.close()


@contextmanager
def raw(path: Path) -> Iterator[Raw]:
    with closing(Raw(path)) as found:
        yield found


def proved(link: Raw, asked: Any, sign: Any = None) -> tuple[bytes, dict[str, Any] | None]:
    """(the signature that was sent, what came of it)."""
    link.send(wire.asking(asked))
    said = link.hear()
    assert said is not None
    signature = (sign or identity().sign)(base64.b64decode(said["prove"]))
    link.send({"proof": base64.b64encode(signature).decode()})
    return signature, link.hear()


def lent(path: Path, asked: Lend) -> bool:
    try:
        with Apart(str(path), identity()).lend(asked):
            return True
    except LeaseRefused:
        return False


def until(question: Any, within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < end
        time.sleep(0.02)
