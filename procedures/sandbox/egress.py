"""Lets a step without a network reach the hosts of its list, by a CONNECT proxy that works outside (RFC 9110, 9.3.6).

The step's first program is ours: it opens a port inside the step's own network, hands that over to the runner, forgets
it and becomes the step. So inside there is a port and nothing behind it but this proxy, which runs with the runner,
resolves names itself and connects by a function that judges addresses. It asks for names as the list has them: no
address, no other port, no other method.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Self

from procedures.domain.errors import OpsError
from procedures.domain.text import visible

PORT = 3128
HEAD_BYTES = 8192
HEAD_S, IDLE_S = 10.0, 300.0
MOST = 32  # connections at a time
NAMED = 50
NAME = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
ENTRY = rf"^{NAME}:[1-9][0-9]{{0,4}}$"  # a whole host name, whose last part is no number, and a port
REQUEST = re.compile(rb"CONNECT ([!-~]{1,300}) HTTP/1\.[01]\r?\n")
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
STARTER = f"""
import os, signal, socket, sys
with socket.socket(fileno=int(sys.argv[1])) as link, socket.create_server(("127.0.0.1", {PORT}), backlog=64) as door:
    socket.send_fds(link, [b"x"], [door.fileno()])
    link.recv(1)
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as problem:
    sys.stderr.write(f"{{sys.argv[2]}}: {{problem}}\\n")
    os._exit(127)
"""
Connect = Callable[[str, int], socket.socket]


class _Refused(Exception):
    """What the step asked for, the status that it gets, and why, in words."""

    def __init__(self, what: str, status: str, why: str) -> None:
        super().__init__(why)
        self.what, self.status, self.why = what, status, why


class Egress:
    """The proxy of one step, from before it starts until it has ended. `connect` raises OSError or OpsError.

    `reached` and `refused` count what was asked for, by the host and port that the step named.
    """

    def __init__(self, allowed: Collection[str], connect: Connect) -> None:
        self._allowed = frozenset(allowed)
        self._connect = connect
        self._ours, self._theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = {self._ours}
        self._places = threading.BoundedSemaphore(MOST)
        self._ended = False
        self.reached: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, name="egress", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it is connected afterwards."""
        with self._lock:
            self._ended = True
            for link in (*self._open, self._theirs):
                _closed(link)
            self._open.clear()

    def handed(self) -> int:
        """The number of the open file that the step's first program takes over."""
        return self._theirs.fileno()

    def taken(self) -> None:
        """The program has been started; this process needs its end no more."""
        self._theirs.close()

    def words(self, python: str, argv: Sequence[str]) -> list[str]:
        """The program that opens the port and becomes `argv`."""
        return [python, "-I", "-S", "-c", STARTER, str(self.handed()), *map(str, argv)]

    def _serve(self) -> None:
        try:
            _, handles, _, _ = socket.recv_fds(self._ours, 1, 1)
            if not handles:
                return
            with socket.socket(fileno=handles[0]) as door:
                if not self._keep(door):
                    return
                self._ours.sendall(b"x")
                while True:
                    self._accept(door)
        except OSError:
            return  # the step has ended, or never began

    def _accept(self, door: socket.socket) -> None:
        link, _ = door.accept()
        if self._places.acquire(blocking=False) and self._keep(link):
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()
        else:
            _closed(link)

    def _answer(self, link: socket.socket) -> None:
        try:
            link.settimeout(HEAD_S)
            there = self._opened(link)
            if self._keep(there):
                link.sendall(OPENED)
                _joined(link, there)
                self._drop(there)
        except _Refused as refusal:
            self._turn_down(link, refusal)
        except OSError:
            return
        finally:
            self._drop(link)
            self._places.release()

    def _opened(self, link: socket.socket) -> socket.socket:
        """A connection to where the step asked for. Raises _Refused, OSError."""
        head = _head(link)
        found = REQUEST.match(head)
        if found is None:
            raise _Refused("something else than CONNECT", "405 Only CONNECT", "use https")
        asked = found[1].decode()
        if asked.lower() not in self._allowed:
            raise _Refused(asked, "403 Not listed", f"{asked} is not in the list of this step")
        host, _, port = asked.lower().rpartition(":")
        try:
            there = self._connect(host, int(port))
        except (OpsError, OSError) as problem:
            why = problem.message if isinstance(problem, OpsError) else f"{asked} does not answer"
            raise _Refused(asked, "502 Not reached", why) from problem
        self._count(self.reached, asked.lower())
        return there

    def _turn_down(self, link: socket.socket, refusal: _Refused) -> None:
        self._count(self.refused, visible(refusal.what))
        text = f"{refusal.why}\n".encode(errors="replace")
        head = f"HTTP/1.1 {refusal.status}\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
        with suppress(OSError):
            link.sendall(head.encode() + text)

    def _count(self, where: Counter[str], what: str) -> None:
        with self._lock:
            where[what if what in where or len(where) < NAMED else "others"] += 1

    def _keep(self, link: socket.socket) -> bool:
        """Whether it may stay open: not once the step has ended."""
        with self._lock:
            if self._ended:
                _closed(link)
            else:
                self._open.add(link)
            return not self._ended

    def _drop(self, link: socket.socket) -> None:
        with self._lock:
            self._open.discard(link)
        _closed(link)


def _head(link: socket.socket) -> bytes:
    """What comes before the empty line, read byte by byte: what follows is not ours. Raises OSError."""
    head = b""
    while not head.endswith((b"\r\n\r\n", b"\n\n")):
        piece = link.recv(1)
        if not piece or len(head) > HEAD_BYTES:
            raise ConnectionError("no request")
        head += piece
    return head


def _joined(one: socket.socket, two: socket.socket) -> None:
    """Carry bytes both ways until both have said their last, or neither speaks for long."""
    back = threading.Thread(target=_carried, args=(two, one), daemon=True)
    back.start()
    _carried(one, two)
    back.join()


def _carried(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        source.settimeout(IDLE_S)
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _closed(link: socket.socket) -> None:
    """Whoever waits on it in another thread wakes up."""
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()
