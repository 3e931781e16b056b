"""One connection to the issuer: who is at its other end, one question, a proof, an answer."""

from __future__ import annotations

import asyncio
import base64
import binascii
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procedures.domain.lending import Asked
from procedures.issuer import wire
from procedures.issuer.runners import Proof, challenge_about

CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel names it (unix(7), SO_PEERCRED)."""

    pid: int
    uid: int


class Hung(Exception):
    """The other end hung up, or said nothing in time."""


class Talk:
    """Reads and writes messages; every wait has an end but the one for a lease that comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def peer(self) -> Peer:
        link: socket.socket = self._writer.get_extra_info("socket")
        pid, uid, _ = CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        return Peer(pid, uid)

    async def hear(self, *, within_s: float | None) -> dict[str, Any]:
        """The next message. Raises Hung, NotUnderstood."""
        try:
            async with asyncio.timeout(within_s):
                size = wire.length_of(await self._reader.readexactly(wire.LENGTH.size), most=wire.MOST_ASKED)
                data = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError, TimeoutError) as problem:
            raise Hung from problem
        return wire.parsed(data)

    async def say(self, value: Mapping[str, Any]) -> None:
        """Raises Hung."""
        try:
            self._writer.write(wire.framed(value, most=wire.MOST_TOLD))
            await self._writer.drain()
        except OSError as problem:
            raise Hung from problem

    async def proof(self, asked: Asked, *, within_s: float) -> Proof:
        """What the other end signs of a challenge that is drawn here. Raises Hung, NotUnderstood."""
        challenge = challenge_about(asked)
        await self.say({"prove": base64.b64encode(challenge).decode()})
        said = await self.hear(within_s=within_s)
        try:
            return Proof(challenge, base64.b64decode(str(said.get("proof")), validate=True))
        except (binascii.Error, ValueError) as problem:
            raise wire.NotUnderstood("The proof is no base64.") from problem

    def close(self) -> None:
        self._writer.close()
