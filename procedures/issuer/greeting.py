"""Whether an issuer listens on a socket: asked without a name or a key, as `doctor` and heartbeats do."""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from pathlib import Path

from procedures.issuer import wire

PATIENCE_S = 3.0


def answers(path: str) -> bool:
    """Whether an issuer there answers this process. Never raises for what the world does."""
    with suppress(OSError, wire.NotUnderstood), closing(socket.socket(socket.AF_UNIX)) as link:
        link.settimeout(PATIENCE_S)
        link.connect(path)
        link.sendall(wire.framed({"ask": wire.ALIVE}, most=wire.MOST_ASKED))
        size = wire.length_of(_bytes(link, wire.LENGTH.size), most=wire.MOST_ASKED)
        return "alive" in wire.parsed(_bytes(link, size))
    return False


def sockets(where: str) -> list[str]:
    """The sockets that a setting names, each of its environments; the setting itself where there is none yet."""
    if "{environment}" not in where:
        return [where] if where else []
    root = Path(where).anchor or "."
    found = Path(root).glob(where.replace("{environment}", "*").removeprefix(root))
    return sorted(map(str, found)) or [where]


def _bytes(link: socket.socket, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        part = link.recv(count - len(found))
        if not part:
            raise ConnectionResetError
        found += part
    return bytes(found)
