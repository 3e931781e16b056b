"""Where a step may go: a name is resolved once, every address of it judged, and exactly that one connected to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpcore

from procedures.domain.addresses import address_problem
from procedures.domain.errors import OpsError
from procedures.domain.ports import ActionCall, ActionIO, ActionResult

T = TypeVar("T")


class AddressRefused(OpsError):
    """A host resolves to an address that the environment does not let a step reach."""

    code = "http.address-refused"
    next_step = "Ask for the range to be listed in the environment's rules, if a procedure should reach it."


def judged(host: str, port: int, networks: tuple[str, ...]) -> str:
    """The address to connect to. Raises AddressRefused if any address of the name is out of bounds, OSError."""
    rows = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
    for address in addresses:
        if problem := address_problem(address, networks):
            raise AddressRefused(f"{host}: {problem}")
    return addresses[0]


class Guarded(httpcore.NetworkBackend):
    """Connects to the address that was judged and to no other (no rebinding)."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self.networks = networks
        self.plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = judged(host, port, self.networks)
        return self.plain.connect_tcp(address, port, timeout, local_address, socket_options)


class Stopped(OpsError):
    """The run was canceled, or the step's time is over, while something was under way."""

    code = "step.stopped"
    next_step = "Look whether the other side acted before the step is started again."


@dataclass(frozen=True, slots=True)
class Ending:
    """Whether a step must end: canceled, or out of time."""

    cancelled: threading.Event
    until: float

    def is_set(self) -> bool:
        return self.cancelled.is_set() or time.monotonic() > self.until


def in_time(call: ActionCall, io: ActionIO, work: Callable[[Ending], ActionResult]) -> ActionResult:
    """What `work` gives, in this thread; what it waits for ends with the run's cancel and the step's time."""
    stop = Ending(io.cancelled, time.monotonic() + call.seconds_left)
    result = told(io, lambda: work(stop))
    if result.outcome == "succeeded" or not stop.is_set():
        return result
    if io.cancelled.is_set():
        return ActionResult("canceled", message="Canceled; whether the other side acted is not known.")
    return ActionResult("timed_out", message="No answer in time; whether the other side acted is not known.")


def waited(stop: Ending, work: Callable[[], T]) -> T:
    """The result of something that blocks on the network and writes no output. Raises Stopped, and what it raises."""
    found: list[T] = []
    raised: list[Exception] = []

    def act() -> None:
        try:
            found.append(work())
        except Exception as problem:  # noqa: BLE001 - raised again where it is waited for
            raised.append(problem)

    worker = threading.Thread(target=act, daemon=True)
    worker.start()
    while worker.is_alive() and not stop.is_set():
        worker.join(0.05)
    if raised:
        raise raised[0]
    if not found:
        raise Stopped("It was stopped before there was an answer.")
    return found[0]


def told(io: ActionIO, work: Callable[[], ActionResult]) -> ActionResult:
    """The result of something that meets the world; what goes wrong there is a failed task, never an exception."""
    try:
        return work()
    except OpsError as problem:
        io.write("system", (problem.message + "\n").encode())
        return ActionResult("failed", message=problem.message, facts={"refused": problem.code})
    except (OSError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as problem:
        text = f"{type(problem).__name__}: {problem}"
        io.write("system", (text + "\n").encode())
        return ActionResult("failed", message=text[:500])
