"""What carries connections to web: every byte, both ways, each end's last word, and nothing when web is away."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from tests.fixtures.serving import free_port

pytestmark = pytest.mark.once


@pytest.fixture
def behind() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def front(behind: socket.socket) -> Iterator[int]:
    port = free_port()
    words = ["front", "--listen", f"127.0.0.1:{port}", "--to", f"127.0.0.1:{behind.getsockname()[1]}"]
    process = subprocess.Popen([sys.executable, "-m", "opsportal.cli.main", *words])
    try:
        until = time.monotonic() + 20
        while f"{port:04X}" not in Path("/proc/net/tcp").read_text():
            assert time.monotonic() < until, "it does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        assert process.wait(10) == 0


def whole(link: socket.socket) -> bytes:
    return b"".join(iter(lambda: link.recv(65_536), b""))


def test_every_byte_comes_over_both_ways_and_who_has_said_all_may_still_listen(
    behind: socket.socket, front: int
) -> None:
    question = os.urandom(3 << 20)

    def answer() -> None:
        link, _ = behind.accept()
        with link:
            link.sendall(hashlib.sha256(whole(link)).digest() * 100_000)

    threading.Thread(target=answer, daemon=True).start()
    with socket.create_connection(("127.0.0.1", front), timeout=20) as link:
        link.sendall(question)
        link.shutdown(socket.SHUT_WR)
        assert whole(link) == hashlib.sha256(question).digest() * 100_000


def test_where_web_is_away_the_connection_ends_and_the_next_one_is_carried(behind: socket.socket, front: int) -> None:
    place = behind.getsockname()
    behind.close()
    with socket.create_connection(("127.0.0.1", front), timeout=20) as link:
        assert whole(link) == b""
    with socket.create_server(place) as again, socket.create_connection(("127.0.0.1", front), timeout=20) as link:
        far, _ = again.accept()
        with far:
            far.sendall(b"there")
        assert whole(link) == b"there"


@pytest.mark.parametrize("wrong", ["web", "web:", ":80", "web:99999", "web:x"])
def test_a_place_that_is_none_is_refused_by_its_words(wrong: str) -> None:
    told = CliRunner().invoke(main, ["front", "--to", wrong])
    assert (told.exit_code, f"{wrong!r} is no HOST:PORT" in told.output) == (2, True)
