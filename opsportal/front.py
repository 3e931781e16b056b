"""`opsportal front`: hands connections on to the web process, so that web itself stands in no network with a way out.

It reads nothing of what it carries and holds no secret. An engine publishes a port only of a container that has a way
out; a proxy that ends TLS, where there is one, takes its place.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

PIECE = 65_536
CONNECT_S = 5.0


def place(text: str) -> tuple[str, int]:
    """HOST:PORT in two. Raises ValueError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} is no HOST:PORT.")
    return host.strip("[]"), int(port)


async def serve(listen: tuple[str, int], to: tuple[str, int]) -> None:
    """Carry until told to stop."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                there = await asyncio.open_connection(*to)
        except (OSError, TimeoutError):
            writer.close()
            return
        with suppress(OSError):
            await asyncio.gather(_carried(reader, there[1]), _carried(there[0], writer))
        writer.close()
        there[1].close()

    server = await asyncio.start_server(meet, *listen)
    await stop.wait()
    server.close()


async def _carried(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """One way, until its last byte; then the other end hears that there is no more. Raises OSError."""
    while data := await source.read(PIECE):
        sink.write(data)
        await sink.drain()
    sink.write_eof()
