"""A witness over HTTP, with the standard library alone; TLS and the open network belong to a proxy in front."""

from __future__ import annotations

import re
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from procedures.evidence.witness import LARGEST_BODY, Answer, Witness

MOST_CONNECTIONS = 64
LONGEST_S = 60.0  # how long one connection lasts, however slowly somebody writes; whoever has more to ask comes again
IDLE_S = 15.0
LATEST = re.compile(r"/([0-9a-f]{64})/checkpoint")
OUTSIDE = re.compile(r"[^ -~]")


class Server(ThreadingHTTPServer):
    """Listens at once; `serve_forever` answers. `alive` is called about twice a second while it does."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], witness: Witness, alive: Callable[[], None] = lambda: None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.witness, self.alive = witness, alive
        self._open: dict[socket.socket, float] = {}
        self._guard = threading.Lock()
        super().__init__(address, Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more; who finds none is hung up on."""
        with self._guard:
            room = len(self._open) < MOST_CONNECTIONS
            if room:
                self._open[request] = time.monotonic() + LONGEST_S
        return room

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on connections that last too long: each of them holds a thread."""
        with self._guard:
            late = [one for one, until in self._open.items() if until < time.monotonic()]
        for one in late:
            _hang_up(one)
        self.alive()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no event; anything else is told in one line."""
        problem = sys.exc_info()[1]
        if not isinstance(problem, OSError):
            say(f"{type(problem).__name__}: {problem}")


class Handler(BaseHTTPRequestHandler):
    """One connection: HTTP/1.1, kept open between requests."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "opsportal-witness", ""
    timeout = IDLE_S
    wbufsize, disable_nagle_algorithm = -1, True  # an answer in one packet: two of them wait 40 ms for each other

    def do_POST(self) -> None:
        if self.path != "/add-checkpoint":
            self._answer(Answer(404, "POST /add-checkpoint\n"), close=True)
            return
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal() and len(length) < 9):
            self._answer(Answer(411, "Send a Content-Length.\n"), close=True)
        elif int(length) > LARGEST_BODY:
            self._answer(Answer(413, f"At most {LARGEST_BODY} bytes.\n"), close=True)
        elif len(body := self.rfile.read(int(length))) == int(length):
            self._answer(self._witness.add_checkpoint(body))

    def do_GET(self) -> None:
        found = LATEST.fullmatch(self.path)
        try:
            self._answer(self._witness.latest(found[1]) if found else Answer(404, "GET /DIGEST/checkpoint\n"))
        except sqlite3.Error as problem:
            self._answer(Answer(500, "The witness cannot remember.\n", told=f"memory: {problem}"))

    @property
    def _witness(self) -> Witness:
        return cast(Server, self.server).witness

    def _answer(self, answer: Answer, *, close: bool = False) -> None:
        data = answer.text.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        if answer.told:
            say(answer.told)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Requests are not told one by one; what they led to is (`Answer.told`)."""

    def log_error(self, *args: Any) -> None:
        """Nor is what is no request."""


def say(what: str) -> None:
    """A line of the witness's own log, on standard error. A caller's bytes reach no terminal as they are."""
    sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {OUTSIDE.sub('?', what)[:300]}\n")
    sys.stderr.flush()


def _hang_up(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        one.close()
