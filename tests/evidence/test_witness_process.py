"""A witness as a process: what it answers, whoever asks at once, however it is ended."""

from __future__ import annotations

import hashlib
import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from procedures.evidence import witness_home, witness_server
from procedures.evidence.notes import ED25519, read_verifier, split_note
from procedures.evidence.witness import Witness
from procedures.evidence.witness_memory import Memory
from tests.factories.witnesses import Logbook, Running, cosigned, logbook, running, until


@pytest.fixture
def book(tmp_path: Path) -> Logbook:
    return logbook(tmp_path).grow(5)


@pytest.fixture
def served(tmp_path: Path, book: Logbook) -> Iterator[Running]:
    with running(tmp_path / "w", [f"{book.key.name}={book.key.verifier}"]) as found:
        yield found


def test_a_process_answers_over_http_and_needs_no_django(served: Running, book: Logbook) -> None:
    with httpx.Client() as kept:
        for size in (2, 3, 5):
            done = kept.post(f"{served.url}/add-checkpoint", content=book.body({2: 0, 3: 2, 5: 3}[size], size))
            assert done.status_code == 200
            assert cosigned(done.text, book.note(size), served.verifier)
        stale = kept.post(f"{served.url}/add-checkpoint", content=book.body(3))
        assert (stale.status_code, stale.headers["content-type"], stale.text) == (409, "text/x.tlog.size", "5\n")
        digest = hashlib.sha256(book.key.name.encode()).hexdigest()
        assert split_note(kept.get(f"{served.url}/{digest}/checkpoint").text)[0] == split_note(book.note())[0]
        assert kept.get(f"{served.url}/{digest[::-1]}/checkpoint").status_code == 404
        assert kept.post(f"{served.url}/other", content=b"").status_code == 404
    ask = "import sys; import opsportal.cli.witnessing, procedures.evidence.witness_home; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert not {"django", "httpx", "structlog", "celery"} & set(loaded.stdout.split())


def test_what_is_too_large_too_slow_or_no_http_takes_nothing_away_from_others(served: Running, book: Logbook) -> None:
    host, port = "127.0.0.1", int(served.url.rpartition(":")[2])
    post, chunked = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for request, status in [
        (post + b"\r\n", b"411"),
        (post + b"Content-Length: 99999999\r\n\r\n", b"413"),
        (post + b"Content-Length: -1\r\n\r\n", b"411"),
        (post + b"Content-Length: 5\r\n" + chunked, b"411"),
        (b"PUT /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"\x16\x03\x01 not http\r\n\r\n", b"400"),
    ]:
        with socket.create_connection((host, port), timeout=5) as link:
            link.sendall(request)
            assert status in link.recv(4096).partition(b"\r\n")[0], request
    slow = []
    for _ in range(40):
        link = socket.create_connection((host, port), timeout=5)
        link.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 500\r\n")
        slow.append(link)
    begun = time.monotonic()
    assert served.add(book.body(0)).status_code == 200
    assert time.monotonic() - begun < 5
    for link in slow:
        link.close()


def test_whoever_holds_a_connection_for_long_is_hung_up_on(
    tmp_path: Path, book: Logbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "MOST_CONNECTIONS", 4)
    monkeypatch.setattr(witness_server, "LONGEST_S", 1.0)
    witness_home.make(tmp_path / "w", "w.example")
    logs = {book.key.name: [read_verifier(book.key.verifier, kind=ED25519)]}
    one = Witness(witness_home.load(tmp_path / "w"), Memory(tmp_path / "w"), logs)
    server = witness_server.Server(("127.0.0.1", 0), one)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        held = [socket.create_connection(server.server_address[:2], timeout=10) for _ in range(4)]
        for link in held:
            link.sendall(b"POST /add-checkpoint HTTP/1.1\r\nX-Slow: ")
        time.sleep(0.3)
        with socket.create_connection(server.server_address[:2], timeout=10) as fifth:
            assert fifth.recv(10) == b"", "there is no room, and it is told at once"
        assert [link.recv(10) for link in held] == [b""] * 4, "after a second nobody holds anything"
        until(lambda: httpx.get(f"http://127.0.0.1:{server.server_address[1]}/x").status_code == 404)
    finally:
        server.shutdown()
        server.server_close()


def test_requests_at_the_same_time_never_lead_to_two_histories(served: Running, book: Logbook) -> None:
    """Sixteen callers, half of them with a fork of the same key: whatever was cosigned lies on one line."""
    book.grow(40)
    fork = Logbook(book.key, book.leaves[:2]).grow(43, "another")
    kept: list[tuple[Logbook, int]] = []

    def call(number: int) -> None:
        side = book if number % 2 else fork
        with httpx.Client(verify=False, trust_env=False, timeout=30) as http:  # noqa: S501 - plain HTTP on loopback
            for size in range(1 + number % 3, 46, 3):
                old = served.last(http, book)
                if old <= size and served.add(side.body(old, size), http).status_code == 200:
                    kept.append((side, size))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(16)))
    assert len(kept) > 10
    for (left, m), (right, n) in itertools.combinations(sorted(kept, key=lambda row: row[1]), 2):
        assert left.leaves[:m] == right.leaves[:n][:m]


def test_killed_at_any_moment_it_comes_back_where_it_was(tmp_path: Path, book: Logbook) -> None:
    """Kill -9 between requests that fly: each cosignature that got out is covered by what the next process knows."""
    port, out, long = 0, [0], Logbook(book.key).grow(2_000)

    def press(here: Running) -> None:
        with httpx.Client(verify=False, trust_env=False, timeout=5) as http, suppress(httpx.HTTPError):  # noqa: S501
            while True:
                old = here.last(http, book)
                assert old >= out[0], "it forgot what it had cosigned"
                if here.add(long.body(old, old + 1), http).status_code == 200:
                    out[0] = old + 1

    for _ in range(4):
        with running(tmp_path / "w", [book.key.verifier], port=port) as here, ThreadPoolExecutor(1) as pool:
            port = int(here.url.rpartition(":")[2])
            pressing = pool.submit(press, here)
            time.sleep(0.4)
            here.process.send_signal(signal.SIGKILL)
            here.process.wait(10)
            pressing.result(20)
    assert out[0] > 4
    assert Memory(tmp_path / "w").all()[0].size >= out[0]


def test_it_ends_when_it_is_told_to(served: Running) -> None:
    served.process.terminate()
    assert served.process.wait(10) == 0
