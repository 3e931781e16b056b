"""Makes cells for a process that the kernel confines (Landlock forbids mounts): asked, never told what to run.

The starter begins before that process is confined, with an environment of its own that holds nothing. It is asked over
a socket, each time with a connection for question and answer; it finds package and files itself, runs nothing but what
an installed package offers as an action, and of that never `run`, so whoever holds the other end gains no sight by it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from procedures.domain.errors import OpsError

VARIABLE = "OPSPORTAL_STARTER"
ASKED = frozenset({"describe", "check", "copies", "plan", "command_sha256"})
WAIT_S = 60.0
READ = 1 << 16


class StarterRefused(OpsError):
    """The starter of cells is gone, or could not have an action of another package answer."""

    code = "action.not-answered"
    next_step = "Look at the message; if the starter is gone, start this process of the portal again."


def ask(point: str, mark: str, who: str, ask: str, given: Any) -> Any:
    """The answer by way of the starter; None in a process that has none, and makes its cells itself."""
    number = os.environ.get(VARIABLE)
    if number is None:
        return None
    question = {"point": point, "mark": mark, "who": who, "ask": ask, "given": given}
    ours, theirs = socket.socketpair()
    try:
        with ours:
            with theirs, socket.socket(fileno=os.dup(int(number))) as control:
                socket.send_fds(control, [b"?"], [theirs.fileno()])
            ours.settimeout(WAIT_S)
            ours.sendall(json.dumps(question).encode())
            ours.shutdown(socket.SHUT_WR)
            said = json.loads(_all(ours))
    except (OSError, ValueError) as problem:
        raise StarterRefused(f"The starter of cells does not answer: {problem}") from problem
    if "refused" in said:
        raise StarterRefused(str(said["refused"]))
    return said["answer"]


def main() -> None:
    """Answer until whoever may ask is gone. Where no package offers an action there is nothing to wait for."""
    from procedures.definitions import packages

    with socket.socket(fileno=int(sys.argv[1])) as control:
        while packages.offered():
            word, fds, _, _ = socket.recv_fds(control, 16, 1)
            if not word:
                return
            threading.Thread(target=_serve, args=(socket.socket(fileno=fds[0]),), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    with connection, suppress(OSError):
        connection.settimeout(WAIT_S)
        try:
            said = {"answer": _answered(json.loads(_all(connection)))}
        except OpsError as problem:
            said = {"refused": problem.message}
        except (ValueError, TypeError, LookupError) as problem:
            said = {"refused": f"{type(problem).__name__} in the question"}
        connection.sendall(json.dumps(said).encode())


def _answered(question: dict[str, Any]) -> Any:
    from procedures.definitions import asking, packages

    if question["ask"] not in ASKED:
        raise StarterRefused(f"{question['ask']!r:.40} is nothing that the starter asks.")
    offered = {one.value: one for one in packages.offered()}
    point = offered[question["point"]]
    return asking.asked_here(point, question["mark"], question["who"], question["ask"], question["given"])


def _all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(READ):
        parts.append(part)
    return b"".join(parts)
