"""What a step left behind on a target is dead within a second of its cancel, and soon after its network is cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from procedures.actions.ssh import SshScript
from tests.actions.calls import Collected, call
from tests.sandbox import daemons
from tests.sandbox.tiers import PLAIN
from tests.ssh.conftest import Place

pytestmark = pytest.mark.once
CUT_WITHIN_S = 30.0


class Wire:
    """A connection's way to a host, which can go silent: nothing passes any more, and nobody is told."""

    def __init__(self, port: int) -> None:
        self.cut = threading.Event()
        self._to = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = [self._door]
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._take, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            with suppress(OSError):
                one.close()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for a, b in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if self.cut.is_set():
                    return
                sink.sendall(data)


@contextmanager
def wire(place: Place) -> Iterator[tuple[Wire, Place]]:
    made = Wire(place.target.port)
    try:
        yield made, replace(place, target=replace(place.target, port=made.port))
    finally:
        made.close()


def script(where: Place) -> Callable[[str, threading.Event], object]:
    """Start the daemons by a script on the host."""

    def start(mark: str, cancelled: threading.Event) -> object:
        io = Collected()
        io.cancelled = cancelled
        text = f"#!{PLAIN}\n{daemons.WAITS.replace('sys.argv[1]', repr(mark))}".encode()
        asked = call(input={"script": "left.py"}, files={"left.py": text}, target=where.target, seconds_left=110.0)
        return SshScript().run(replace(asked, lease=where.lease(SshScript(), asked, seconds=300)), io)

    return start


def test_three_daemons_are_dead_within_a_second_of_a_cancel(place: Place, figure: Callable[[str, Any], None]) -> None:
    took = daemons.quickest(lambda: daemons.ended_after(script(place), threading.Event.set), 1.0)
    figure("daemons_ssh_cancel", {"dead_after_s": min(took), "tries": len(took)})
    assert min(took) <= 1.0, took


@pytest.mark.figures
def test_three_daemons_are_dead_within_half_a_minute_of_a_cut_network(
    place: Place, figure: Callable[[str, Any], None]
) -> None:
    """sshd is told nothing and here waits for ever: the stub hears that nobody beats any more."""
    with wire(place) as (way, there):
        took = daemons.ended_after(script(there), lambda cancelled: way.cut.set())
    figure("daemons_ssh_cut", {"dead_after_s": round(took, 1)})
    assert took <= CUT_WITHIN_S


@pytest.mark.figures
def test_a_step_whose_network_is_there_outlives_every_bound_of_silence(place: Place) -> None:
    """A quiet program is no silent network: it prints nothing for longer than the stub would wait."""
    io = Collected()
    asked = call(
        input={"script": "q.sh"}, files={"q.sh": b"sleep 23; echo there"}, target=place.target, seconds_left=60.0
    )
    result = SshScript().run(replace(asked, lease=place.lease(SshScript(), asked)), io)
    assert (result.outcome, io.text) == ("succeeded", "there\n")
