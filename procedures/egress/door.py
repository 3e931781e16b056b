"""Where the egress process listens: lets in web alone, asks what signed changes name, tells what it refuses."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.db import DatabaseError, connections

from procedures.domain.errors import OpsError
from procedures.domain.providers import EgressRefused, ProviderUnreachable
from procedures.domain.text import visible
from procedures.egress.named import Named
from procedures.signon import egress, outbound

log = structlog.get_logger(__name__)
CREDENTIALS = struct.Struct("3i")
AT_ONCE = 32
ASKS_WITHIN_S = 5.0
HEADERS = frozenset({"authorization"})
Question = Mapping[str, Any]


class Door:
    """Serves one socket. `named` says where the way leads, `tell` hears what was refused: what was asked for, and why.

    `peers` are user ids of the processes that may ask by a socket of this machine; over a network it is who has `key`.
    """

    def __init__(
        self, named: Callable[[], Named], tell: Callable[[str, str], None], *, peers: Collection[int], key: str = ""
    ) -> None:
        self._named, self._tell = named, tell
        self._peers, self._seal = frozenset(peers), egress.Seal(key)
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def begin(self, listener: socket.socket) -> threading.Thread:
        """Let in until the listener is closed; what comes beyond AT_ONCE is hung up on."""
        listener.listen(2 * AT_ONCE)
        thread = threading.Thread(target=self._serve, args=(listener,), name="egress-door", daemon=True)
        thread.start()
        return thread

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            if self._free.acquire(blocking=False):
                threading.Thread(target=self._meet, args=(link,), daemon=True).start()
            else:
                link.close()

    def answer(self, question: Question) -> dict[str, Any]:
        """What is told back: an answer, or a refusal with its code."""
        try:
            return self._answered(question)
        except OpsError as refusal:
            if isinstance(refusal, EgressRefused):
                self._tell(asked(question), refusal.message)
            else:
                log.info("egress.unanswered", asked=asked(question), code=refusal.code, why=refusal.message)
            return {"refused": {"code": refusal.code, "message": refusal.message}}
        except DatabaseError as problem:
            log.warning("egress.database", problem=type(problem).__name__)
            why = "The portal's way out does not reach the database, so it does not know where it leads."
            return {"refused": {"code": ProviderUnreachable.code, "message": why}}

    def _answered(self, question: Question) -> dict[str, Any]:
        kind = question.get("ask")
        if kind == "alive":
            return {"alive": True}
        if kind == "directory":
            return self._in_directory(question)
        if kind not in {"get", "post"} or (kind, question.get("url")) not in self._named().asks:
            raise EgressRefused("No signed change names the address that was asked for.")
        sent = _texts(question.get("headers", {}))
        if more := sorted(name for name in sent if name.lower() not in HEADERS):
            raise EgressRefused(f"The header {visible(more[0])[:60]} is not passed on.")
        if kind == "get":
            return {"json": outbound.get(str(question["url"]), sent)}
        return {"json": outbound.post(str(question["url"]), _texts(question.get("form", {})), sent)}

    def _in_directory(self, question: Question) -> dict[str, Any]:
        provider = self._named().directories.get(str(question.get("provider")))
        if provider is None:
            raise EgressRefused("No signed change names the directory that was asked for.")
        from procedures.signon import ldap  # slow to import, and few portals have a directory

        typed = {name: str(question.get(name, "")) for name in ("username", "password", "secret")}
        return {"said": asdict(ldap.proved(provider, **typed))}

    def _meet(self, link: socket.socket) -> None:
        try:
            with link, suppress(OSError):
                if self._lets_in(link):
                    self._talk(link)
        except egress.Garbled as problem:
            log.warning("egress.not-understood", why=str(problem))
        except Exception as problem:  # noqa: BLE001 - its words may hold what was typed: its kind alone is told
            log.error("egress.broke", kind=type(problem).__name__)  # noqa: TRY400
        finally:
            self._free.release()
            connections.close_all()

    def _talk(self, link: socket.socket) -> None:
        hello = os.urandom(egress.HELLO_BYTES)
        link.settimeout(ASKS_WITHIN_S)
        link.sendall(hello)
        data = egress.received(link, egress.MOST_ASKED, time.monotonic() + ASKS_WITHIN_S)
        question = self._seal.opened("asked", data, hello)
        told = self._seal.closed("told", self.answer(question), egress.bound_to(hello, data))
        link.settimeout(ASKS_WITHIN_S)
        link.sendall(told)

    def _lets_in(self, link: socket.socket) -> bool:
        """Over a network everybody may speak, and only who has the key is understood."""
        if link.family != socket.AF_UNIX:
            return True
        pid, uid, _ = CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        if uid in self._peers:
            return True
        log.warning("egress.stranger", uid=uid, pid=pid)
        return False


def asked(question: Question) -> str:
    """What was asked for, without query, credentials or anything that was typed."""
    kind = str(question.get("ask"))
    if kind == "directory":
        return visible(f"directory {question.get('provider')}")[:300]
    try:
        parts = urlsplit(str(question.get("url")))
        return visible(f"{kind.upper()} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")[:300]
    except ValueError:
        return f"{visible(kind.upper())[:20]} of no address"


def _texts(value: Any) -> dict[str, str]:
    """Raises EgressRefused for what is no mapping of texts."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise EgressRefused("What was to be sent is no form.")
    return value
