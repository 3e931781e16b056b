"""`opsportal issuer --environment NAME`: lends the credentials of one environment to its runner, and to nobody else."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from opsportal.loading import load

if TYPE_CHECKING:
    from procedures.issuer.stock import Stock

log = structlog.get_logger(__name__)
PR_SET_DUMPABLE = 4
SWEEP_EVERY_S, PROVIDERS_EVERY = 5.0, 12
BUFFER = 16 * 1024
BACKLOG, FILES = 512, 8192
LAST_WORDS_S = 3.0


def main(argv: list[str] | None = None) -> None:
    """Listen until told to stop. Leases in hand stay in hand then: the next issuer finds them in the ledger."""
    parser = argparse.ArgumentParser(prog="opsportal issuer")
    parser.add_argument("--environment", required=True)
    environment: str = parser.parse_args(argv).environment
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no other process of this user looks into its memory
    with suppress(OSError, ValueError):  # where the host forbids it, what it gave must do
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES), most))
    load()
    from django.conf import settings

    from procedures.issuer import place
    from procedures.issuer.known import refuse_strangers

    keys = Path(settings.OPSPORTAL_KEYS_DIR)
    path = place.path_of(settings.OPSPORTAL_ISSUER_SOCKET, environment, Path(settings.OPSPORTAL_DATA_DIR))
    if settings.OPSPORTAL_PROFILE == "production":
        refuse_strangers(keys, environment)
    with place.claim(path):
        asyncio.run(_serve(environment, keys, path))
        sys.stderr.flush()
        os._exit(0)  # a thread that waits for the database would keep the process


async def _serve(environment: str, keys: Path, path: Path) -> None:
    from django.conf import settings

    from procedures.issuer import place
    from procedures.issuer.door import Door
    from procedures.issuer.stock import stock_of

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    stock = stock_of(keys, environment)
    door = Door(stock, place.peers_of(settings.OPSPORTAL_ISSUER_PEERS))
    server = await asyncio.start_unix_server(door.meet, sock=place.listening(path), limit=BUFFER, backlog=BACKLOG)
    log.info("issuer.listens", environment=environment, socket=str(path))
    sweeping = threading.Thread(target=_keep_sweeping, args=(stock, loop), name="issuer-sweep", daemon=True)
    sweeping.start()
    await stop.wait()
    server.close()
    await door.quiet(within_s=LAST_WORDS_S)


def _keep_sweeping(stock: Stock, loop: asyncio.AbstractEventLoop) -> None:
    """End what nobody has in hand, and say that this process works: it reaches the database, and its loop turns."""
    from django.conf import settings
    from django.db import DatabaseError, connections

    from opsportal import alive
    from procedures.issuer.host_certificates import sign_due
    from procedures.issuer.pools import turn
    from procedures.issuer.returning import sweep, sweep_providers
    from procedures.services.moments import database_now

    pause, rounds = threading.Event(), 0
    while True:
        try:
            at = database_now()
            sweep(stock, [stock.only], at=at)
            if rounds % PROVIDERS_EVERY == 0:
                sweep_providers(stock, [stock.only], at=at)
                sign_due(stock, [stock.only], at=at)
                turn(stock, [stock.only], at=at)
            rounds += 1
            loop.call_soon_threadsafe(alive.touch, settings.OPSPORTAL_ALIVE_FILE)
        except DatabaseError as problem:
            log.warning("issuer.database", problem=str(problem))
        finally:
            connections.close_all()
        pause.wait(SWEEP_EVERY_S)


if __name__ == "__main__":
    main()
