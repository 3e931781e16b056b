"""A runner's way to an issuer that is a process of its own: it says names, proves its key, and gets a lease or a no."""

from __future__ import annotations

import base64
import random
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from procedures.domain.canonical import parse_moment
from procedures.domain.errors import OpsError
from procedures.domain.lending import NEVER, Asked, Fetch, Lend, Look, NoLongerWanted, Open, Return
from procedures.domain.ports import Lease, Target
from procedures.domain.sealing import WillNotOpen
from procedures.domain.secrets import Secret
from procedures.issuer import wire
from procedures.issuer.greeting import answers
from procedures.issuer.refusals import LeaseRefused, NotYours
from procedures.issuer.runners import is_challenge
from procedures.runner.identity import Identity
from procedures.ssh.accounts import NotIssuable

log = structlog.get_logger(__name__)
LISTENS_EVERY_S = 0.5  # how soon a cancel is heard while the issuer works
SILENT_S = 15.0  # an issuer that works says so every two seconds
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
BACK_WITHIN_S = 5.0
REFUSALS: Mapping[str, type[OpsError]] = {one.code: one for one in (LeaseRefused, NotYours, NotIssuable, WillNotOpen)}


class IssuerAway(OpsError):
    """The issuer of this environment could not be reached in time."""

    code = "issuer.away"
    next_step = "Start the issuer of this environment (`opsportal doctor` on its host says whether it answers)."


class IssuerBroke(OpsError):
    """The issuer met a defect of its own or of a provider; nothing was lent."""

    code = "issuer.broke"
    next_step = "Look at the issuer's own log, which says where."


class _Lost(Exception):
    """The connection is of no use any more; another may be."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Asks the issuer at `path`, as `who`. Safe from several threads: each question has a connection of its own."""

    path: str
    who: Identity

    @contextmanager
    def lend(self, asked: Lend, cancelled: threading.Event = NEVER) -> Iterator[Lease]:
        """Raises IssuerAway and IssuerBroke besides what an issuer refuses."""
        with self._held(asked, cancelled) as (lease, _):
            yield lease

    @contextmanager
    def look(self, asked: Look) -> Iterator[tuple[Lease, Target]]:
        with self._held(asked, NEVER) as (lease, target):
            if target is None:
                raise IssuerBroke("The issuer does not say where the credential is for.")
            yield lease, target

    def open(self, asked: Open) -> Mapping[str, Secret]:
        """Tries again for a moment alone: nobody says meanwhile that this runner lives."""
        link, said = self._asked(asked, NEVER, bound_s=settings.OPSPORTAL_HEARTBEAT_LOST_S / 3)
        link.close()
        return wire.secrets_of(said["secrets"])

    def fetch(self, asked: Fetch) -> Secret:
        link, said = self._asked(asked, NEVER)
        link.close()
        return wire.secrets_of(said["secrets"])[asked.secret]

    def answers(self) -> bool:
        return answers(self.path)

    @contextmanager
    def _held(self, asked: Lend | Look, cancelled: threading.Event) -> Iterator[tuple[Lease, Target | None]]:
        """A lease for as long as the connection is there: an issuer that finds it gone ends the lease by itself."""
        link, said = self._asked(asked, cancelled)
        with closing(link):
            lease, target = wire.lease_of(said)
            talks = threading.Lock()
            lease.renew = lambda: _renewed(link, talks)
            try:
                yield lease, target
            finally:
                with talks:
                    self._give_back(link, lease)

    def _give_back(self, link: socket.socket, lease: Lease) -> None:
        """Raises nothing: what the step did is done, and the issuer's sweep ends what is left."""
        try:
            try:
                _say(link, wire.GIVE_BACK)
                _hear(link, NEVER)
            except (OSError, _Lost):
                link, _ = self._asked(Return(self.who.id, lease.id), NEVER, bound_s=BACK_WITHIN_S)
                link.close()
        except OpsError as problem:
            log.warning("lease.not-given-back", lease=str(lease.id), why=problem.message)

    def _asked(
        self, asked: Asked, cancelled: threading.Event, *, bound_s: float | None = None
    ) -> tuple[socket.socket, dict[str, Any]]:
        """(the connection, the answer), asked again with back-off while the issuer is away. Raises IssuerAway."""
        bound = settings.OPSPORTAL_ISSUER_BOUND_S if bound_s is None else bound_s
        began, pause = time.monotonic(), FIRST_PAUSE_S
        while True:
            if cancelled.is_set():
                raise NoLongerWanted("It was stopped while it waited for the issuer: nothing was lent.")
            try:
                return self._answered(asked, cancelled)
            except (OSError, _Lost) as problem:
                left = bound - (time.monotonic() - began)
                if left <= 0:
                    raise IssuerAway(f"The issuer did not answer within {bound:.0f} s: nothing was lent.") from problem
                log.warning("issuer.waiting", problem=str(problem)[:200], seconds_left=int(left))
            cancelled.wait(min(pause * random.uniform(0.7, 1.3), max(left, 0.01)))  # noqa: S311 - spreads load
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _answered(self, asked: Asked, cancelled: threading.Event) -> tuple[socket.socket, dict[str, Any]]:
        """One try on one connection. Raises _Lost, OSError, NoLongerWanted, and what the issuer refuses."""
        link = self._connected()
        try:
            _say(link, wire.asking(asked))
            while True:
                said = _hear(link, cancelled)
                if "prove" in said:
                    _say(link, {"proof": self._signed(asked, said["prove"])})
                elif "working" not in said:
                    return link, _good(said)
        except BaseException:
            link.close()
            raise

    def _signed(self, asked: Asked, text: str) -> str:
        """This runner's signature over a challenge about its own question; it signs nothing else for an issuer."""
        challenge = base64.b64decode(text)
        if not is_challenge(challenge, asked):
            raise IssuerBroke("What listens there asks for a signature over something else than this question.")
        return base64.b64encode(self.who.sign(challenge)).decode()

    def _connected(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(LISTENS_EVERY_S)
        try:
            link.connect(self.path)
        except OSError:
            link.close()
            raise
        return link


def _renewed(link: socket.socket, talks: threading.Lock) -> datetime:
    """More time for the lease of this connection; when it ends. Raises IssuerAway, and what the issuer refuses."""
    with talks:
        try:
            _say(link, wire.RENEW)
            said = _hear(link, NEVER)
            while "working" in said:
                said = _hear(link, NEVER)
        except (OSError, _Lost) as problem:
            raise IssuerAway("The issuer did not answer: nothing was lent for longer.") from problem
        return parse_moment(_good(said)["renewed"])


def _good(said: dict[str, Any]) -> dict[str, Any]:
    """An answer that is no refusal. Raises what the issuer refused, in its words."""
    if "refused" in said:
        row = said["refused"]
        raise REFUSALS.get(row["code"], LeaseRefused)(row["message"])
    if "broke" in said:
        raise IssuerBroke(f"The issuer met a defect ({said['broke']}): nothing was lent.")
    return said


def _say(link: socket.socket, value: Mapping[str, Any]) -> None:
    link.sendall(wire.framed(value, most=wire.MOST_ASKED))


def _hear(link: socket.socket, cancelled: threading.Event) -> dict[str, Any]:
    """The next message. Raises _Lost after fifteen silent seconds, NoLongerWanted once nobody wants it any more."""
    size = wire.length_of(_bytes(link, wire.LENGTH.size, cancelled), most=wire.MOST_TOLD)
    return wire.parsed(_bytes(link, size, cancelled))


def _bytes(link: socket.socket, count: int, cancelled: threading.Event) -> bytes:
    found, end = bytearray(), time.monotonic() + SILENT_S
    while len(found) < count:
        if cancelled.is_set():
            raise NoLongerWanted("It was stopped while it waited for the issuer: nothing was lent.")
        try:
            part = link.recv(count - len(found))
        except TimeoutError:
            if time.monotonic() > end:
                raise _Lost(f"it said nothing for {SILENT_S:.0f} s") from None
            continue
        if not part:
            raise _Lost("it hung up")
        found += part
    return bytes(found)
