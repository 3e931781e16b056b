"""Where the issuer listens: lets in the processes of its own runner alone, and takes back what they do not give back.

One loop holds every connection, so that one that waits costs nothing; what asks the database is done by few threads.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from procedures.domain.canonical import moment
from procedures.domain.errors import OpsError
from procedures.domain.lending import Asked, Fetch, Lend, Look, Open, Return
from procedures.issuer import wire
from procedures.issuer.lend import ENDED, LOOKED, Issuer, Lent
from procedures.issuer.runners import Proof
from procedures.issuer.stock import Stock
from procedures.issuer.talk import Hung, Peer, Talk

log = structlog.get_logger(__name__)
AT_ONCE = 4  # questions that the database is asked about
MOST_WAITING = 128  # connections that have proved nothing yet
MOST_HELD = 1024  # leases in hand
ASKS_WITHIN_S = 10.0
WORKING_EVERY_S = 2.0
LOST = "its runner's connection was lost"
T = TypeVar("T")


class TooManyHeld(OpsError):
    """More leases are in hand than an issuer lends at once."""

    code = "issuer.too-many-held"
    next_step = "Let fewer targets be worked on at once, or find out which runner gives nothing back."


class Door:
    """Serves one socket. `peers` are the user ids of the processes that may ask."""

    def __init__(self, stock: Stock, peers: Collection[int]) -> None:
        self.stock, self.peers = stock, frozenset(peers)
        self._waiting: dict[Talk, None] = {}
        self._doing: set[asyncio.Future[Any]] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="issuer")

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last."""
        talk = Talk(reader, writer)
        try:
            if not self.lets_in(talk.peer):
                return
            with suppress(Hung, asyncio.CancelledError):  # this process ends: what is in hand stays so in the ledger
                await self._answer(talk)
        finally:
            self._waiting.pop(talk, None)
            talk.close()

    def lets_in(self, peer: Peer) -> bool:
        """Whether this is a process of the runner's user, as the kernel says; another one hears not a word."""
        if peer.uid in self.peers:
            return True
        log.warning("issuer.stranger", uid=peer.uid, pid=peer.pid, environment=self.stock.only)
        return False

    async def quiet(self, *, within_s: float) -> None:
        """What is being asked of the database is done, or the time is over: nothing new is begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._doing:
            await asyncio.wait(self._doing, timeout=within_s)

    async def _answer(self, talk: Talk) -> None:
        self._let_wait(talk)
        try:
            said = await talk.hear(within_s=ASKS_WITHIN_S)
            if said == {"ask": wire.ALIVE}:
                await talk.say({"alive": self.stock.only})
                return
            asked = wire.asked_of(said)
            proof = await talk.proof(asked, within_s=ASKS_WITHIN_S)
            self._waiting.pop(talk, None)
            await self._serve(talk, asked, proof)
        except OpsError as refusal:
            log.warning("issuer.refused", code=refusal.code, why=refusal.message)
            await talk.say({"refused": {"code": refusal.code, "message": refusal.message}})
        except (Hung, asyncio.CancelledError):
            raise
        except Exception as problem:  # noqa: BLE001 - its words may hold what was to be lent: its kind alone is told
            log.error("issuer.broke", kind=type(problem).__name__, at=_place_of(problem))  # noqa: TRY400
            await talk.say({"broke": type(problem).__name__})

    def _let_wait(self, talk: Talk) -> None:
        """Whoever is honest asks at once: where too many say nothing, the one that has longest said nothing goes."""
        self._waiting[talk] = None
        if len(self._waiting) > MOST_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.close()

    async def _serve(self, talk: Talk, asked: Asked, proof: Proof) -> None:
        issuer = Issuer(self.stock, lambda _: proof)
        if isinstance(asked, Lend | Look):
            await self._lend(talk, issuer, asked)
        elif isinstance(asked, Open):
            opened = await self._work(talk, lambda: issuer.open(asked))
            await talk.say({"secrets": wire.told_secrets(opened)})
        elif isinstance(asked, Fetch):
            fetched = await self._work(talk, lambda: issuer.fetch(asked))
            await talk.say({"secrets": wire.told_secrets({asked.secret: fetched})})
        else:
            returned: Return = asked
            await talk.say({"returned": await self._work(talk, lambda: issuer.give_back(returned))})

    async def _lend(self, talk: Talk, issuer: Issuer, asked: Lend | Look) -> None:
        """Lend until it is given back, or until the connection is lost, whichever comes first."""
        if len(self.stock.held) >= MOST_HELD:
            raise TooManyHeld(f"{MOST_HELD:,} leases are in hand already.")
        lent = await self._work(talk, lambda: issuer.hand_out(asked))
        why = await self._until_back(talk, issuer, asked, lent)
        how = await self._work(talk, lambda: issuer.take_back(lent, why))
        log.info("issuer.taken-back", lease=str(lent.lease.id), why=why, how=how)
        await talk.say({"returned": how})

    async def _until_back(self, talk: Talk, issuer: Issuer, asked: Lend | Look, lent: Lent) -> str:
        try:
            await talk.say(wire.told_lease(lent.lease, lent.target))
            while (said := await talk.hear(within_s=None)) == wire.RENEW and isinstance(asked, Lend):
                await self._renew(talk, issuer, asked, lent)
            if said == wire.GIVE_BACK:
                return ENDED if lent.task is None else LOOKED
        except wire.NotUnderstood:
            log.warning("issuer.not-understood", lease=str(lent.lease.id))
        except Hung:
            log.warning("issuer.lost", lease=str(lent.lease.id))
        return LOST

    async def _renew(self, talk: Talk, issuer: Issuer, asked: Lend, lent: Lent) -> None:
        """Raises Hung. A refusal ends nothing: what is in hand is good until its time."""
        try:
            until = await self._work(talk, lambda: issuer.renew(asked, lent))
        except OpsError as refusal:
            log.warning("issuer.not-renewed", lease=str(lent.lease.id), why=refusal.message)
            await talk.say({"refused": {"code": refusal.code, "message": refusal.message}})
            return
        except Exception as problem:  # noqa: BLE001 - its words may hold what was lent: its kind alone is told
            log.error("issuer.broke", kind=type(problem).__name__, at=_place_of(problem))  # noqa: TRY400
            await talk.say({"broke": type(problem).__name__})
            return
        await talk.say({"renewed": moment(until)})

    async def _work(self, talk: Talk, call: Callable[[], T]) -> T:
        """What `call` gives, from a thread; meanwhile the other end hears that somebody works on it."""
        doing = asyncio.get_running_loop().run_in_executor(self._threads, call)
        self._doing.add(doing)
        try:
            while not (await asyncio.wait({doing}, timeout=WORKING_EVERY_S))[0]:
                with suppress(Hung):  # whoever hung up is found when it is answered; what was begun is ended first
                    await talk.say({"working": True})
            return doing.result()
        finally:
            self._doing.discard(doing)


def _place_of(problem: BaseException) -> str:
    """Where something broke, without its words."""
    row = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{Path(row.filename).name}:{row.lineno}"
