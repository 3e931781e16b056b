"""How a web process asks others: through the egress process, which goes where signed changes say, nowhere else (H30).

One connection, one question, one answer, each JSON. On a socket of this machine the kernel says who asks; over a
network both ends hold one key, and what is said is sealed under it, each answer for just its question.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from procedures.domain.providers import EgressAway, EgressRefused, ProviderUnreachable, Said, SignInRefused

HELLO_BYTES, NONCE_BYTES = 32, 12
MOST_ASKED, MOST_TOLD = 1 << 17, 1 << 22
PATIENCE_S, GREETS_S, QUICK_S = 45.0, 5.0, 1.0
SHORTEST_KEY = 32
Way = Literal["asked", "told"]
KINDS = {kind.code: kind for kind in (SignInRefused, ProviderUnreachable, EgressRefused)}


class Garbled(ValueError):
    """What came is no question or answer, or was sealed under another key."""


class Seal:
    """Turns a question or an answer into bytes and back; `about` is what it belongs to."""

    def __init__(self, key: str) -> None:
        ways: tuple[Way, Way] = ("asked", "told")
        self._keys = {way: AESGCM(_derived(key, way)) for way in ways} if key else {}

    def closed(self, way: Way, value: Mapping[str, Any], about: bytes) -> bytes:
        data = json.dumps(value, separators=(",", ":")).encode()
        if way not in self._keys:
            return data
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._keys[way].encrypt(nonce, data, about)

    def opened(self, way: Way, data: bytes, about: bytes) -> dict[str, Any]:
        """Raises Garbled."""
        try:
            if way in self._keys:
                data = self._keys[way].decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], about)
            value = json.loads(data)
        except (InvalidTag, ValueError, RecursionError) as problem:
            raise Garbled("it is no message, or was sealed under another key") from problem
        if not isinstance(value, dict):
            raise Garbled("it is no object")
        return value


def _derived(key: str, way: Way) -> bytes:
    info = f"opsportal egress {way}".encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(key.encode())


def nowhere() -> tuple[str, str]:
    """Where no settings were read there is nobody to ask."""
    return "/nowhere", ""


place: Callable[[], tuple[str, str]] = nowhere  # where the egress process is, and the key; set as Django starts


def get(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON at a signed address. Raises EgressRefused, EgressAway, ProviderUnreachable."""
    return _told({"ask": "get", "url": url, "headers": dict(headers or {})})["json"]


def post(url: str, data: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
    """A form to a signed address, answered with JSON. Raises EgressRefused, EgressAway, ProviderUnreachable."""
    return _told({"ask": "post", "url": url, "headers": dict(headers or {}), "form": dict(data)})["json"]


def in_directory(provider: str, *, username: str, password: str, secret: str) -> Said:
    """Who has this name and password in a signed directory; see `ldap.proved`.

    Raises SignInRefused, EgressRefused, EgressAway, ProviderUnreachable.
    """
    typed = {"username": username, "password": password, "secret": secret}
    said = _told({"ask": "directory", "provider": provider, **typed})["said"]
    return Said(**{**said, "groups": tuple(said["groups"])})


def answers() -> bool:
    """Whether the egress process can be asked from here. Never raises for what the world does."""
    with suppress(EgressAway):
        return "alive" in _told({"ask": "alive"}, within_s=QUICK_S)
    return False


def place_of(where: str) -> str | tuple[str, int]:
    """A socket's path, or a host and its port, out of what the setting says."""
    host, _, port = where.rpartition(":")
    return where if "/" in where or not port.isdecimal() else (host.strip("[]"), int(port))


def received(link: socket.socket, most: int, until: float) -> bytes:
    """All that comes before the other end has said its last. Raises OSError, Garbled."""
    found = bytearray()
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link.settimeout(left)
        part = link.recv(65_536)
        if not part:
            return bytes(found)
        found += part
        if len(found) > most:
            raise Garbled(f"it is longer than the {most:,} bytes that are let")


def bound_to(hello: bytes, asked: bytes) -> bytes:
    """What an answer belongs to: this connection, and just this question."""
    return hello + hashlib.sha256(asked).digest()


def _told(question: Mapping[str, Any], *, within_s: float = PATIENCE_S) -> dict[str, Any]:
    """What the egress process answers. Raises what it refuses with, and EgressAway, soon where nobody greets."""
    where, key = place()
    seal, until = Seal(key), time.monotonic() + within_s
    try:
        with _connected(place_of(where), min(GREETS_S, within_s)) as link:
            hello = link.recv(HELLO_BYTES, socket.MSG_WAITALL)
            asked = seal.closed("asked", question, hello)
            link.sendall(asked)
            link.shutdown(socket.SHUT_WR)
            told = seal.opened("told", received(link, MOST_TOLD, until), bound_to(hello, asked))
    except (OSError, Garbled) as problem:
        why = type(problem).__name__
        raise EgressAway(
            f"The portal's way out does not answer ({why}), so no identity provider was asked."
        ) from problem
    if "refused" in told:
        refused = told["refused"]
        raise KINDS.get(refused["code"], ProviderUnreachable)(refused["message"])
    return told


def _connected(place: str | tuple[str, int], within_s: float) -> socket.socket:
    if isinstance(place, tuple):
        return socket.create_connection(place, timeout=within_s)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(within_s)
    try:
        link.connect(place)
    except OSError:
        link.close()
        raise
    return link
