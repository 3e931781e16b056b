"""Logs that are told by their leaves alone, and witnesses as processes of their own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from procedures.evidence import tree, witness_home
from procedures.evidence.cosigning import cosigned_at
from procedures.evidence.notes import (
    COSIGNATURE,
    LogKey,
    checkpoint_text,
    head_of,
    load_key,
    read_verifier,
    split_note,
)
from procedures.evidence.witness import request_body
from tests.fixtures.serving import free_port

NAME = "security.example/witness"


@dataclass(slots=True)
class Logbook:
    """A log without a portal. `leaves` may be changed as whoever holds the key could."""

    key: LogKey
    leaves: list[bytes] = field(default_factory=list)

    def grow(self, count: int, word: str = "leaf") -> Logbook:
        start = len(self.leaves)
        self.leaves += [tree.leaf_hash(f"{word} {start + i}".encode()) for i in range(count)]
        return self

    def note(self, size: int | None = None) -> str:
        size = len(self.leaves) if size is None else size
        return self.key.sign(checkpoint_text(self.key.name, size, tree.root_of(self.leaves[:size])))

    def proof(self, old: int, size: int | None = None) -> Sequence[bytes]:
        size = len(self.leaves) if size is None else size
        return tree.consistency(old, size, tree.ranges(self.leaves)) if old <= size else []

    def body(self, old: int, size: int | None = None) -> bytes:
        return request_body(old, self.proof(old, size), self.note(size))


def logbook(folder: Path, name: str = "ops.example/evidence/log") -> Logbook:
    return Logbook(load_key(folder / f"{name.replace('/', '-')}.key", name))


@dataclass(slots=True)
class Running:
    """A witness that listens. `url` is its prefix, `verifier` its key."""

    url: str
    verifier: str
    folder: Path
    process: subprocess.Popen[bytes]

    def add(self, body: bytes, http: httpx.Client | None = None) -> httpx.Response:
        post = http.post if http else httpx.post
        return post(f"{self.url}/add-checkpoint", content=body)

    def last(self, http: httpx.Client, log: Logbook) -> int:
        """The size that it cosigned last, 0 if it never did."""
        seen = http.get(f"{self.url}/{hashlib.sha256(log.key.name.encode()).hexdigest()}/checkpoint")
        return head_of(split_note(seen.text)[0]).size if seen.status_code == 200 else 0


def cosigned(lines: str, note: str, verifier: str) -> bool:
    """Whether what a witness answered is its one cosignature over the text of this note."""
    text, found = split_note(note + lines)
    key = read_verifier(verifier, kind=COSIGNATURE)
    return lines.count("\n") == 1 and cosigned_at(found[-1], key, text) is not None


@contextmanager
def running(
    folder: Path, logs: Sequence[str], *, port: int = 0, name: str = NAME, turns: Path | None = None
) -> Iterator[Running]:
    """`opsportal witness` as somebody else would start it: without Django's settings, in a folder of its own."""
    port = port or free_port()
    verifier = witness_home.make(folder, name).text
    words = [sys.executable, "-m", "opsportal.cli.main", "witness", "--data", str(folder)]
    words += ["--listen", f"127.0.0.1:{port}", *(word for log in logs for word in ("--log", log))]
    words += ["--turns", str(turns)] if turns else []
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(words, env=environ, stderr=said, cwd=Path(__file__).parents[2])
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, folder / "said")
        yield Running(url, verifier, folder, process)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes], said: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, said.read_text()[-2000:]
        try:
            httpx.get(url, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the witness did not answer within ten seconds: " + said.read_text()[-2000:])


def policy_file(path: Path, *witnesses: tuple[str, str], quorum: int | None = None) -> Path:
    """A tlog-policy of these (verifier key, URL); so many of them, or all, are a quorum."""
    lines = [f"witness w{n} {key} {url}" for n, (key, url) in enumerate(witnesses)]
    names = " ".join(f"w{n}" for n in range(len(witnesses)))
    path.write_text("\n".join([*lines, f"group g {quorum or len(witnesses)} {names}", "quorum g", ""]))
    return path


@contextmanager
def sequencing(environ: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The sequencer as its own process. What it says stands in `folder/sequencer`."""
    with (folder / "sequencer").open("wb") as said:
        words = [sys.executable, "-m", "procedures.evidence.sequencer_main"]
        process = subprocess.Popen(words, env=dict(environ), stdout=said, stderr=said, cwd=Path(__file__).parents[2])
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def until(what: Callable[[], Any], seconds: float = 90.0) -> Any:
    """What `what` gives as soon as that is true."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found


class Liar(BaseHTTPRequestHandler):
    """Answers as its server's `say(method, path, body)` wants: (status, content type, bytes), or nothing at all."""

    def do_POST(self) -> None:
        said = self.server.say(  # type: ignore[attr-defined]
            self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0))
        )
        if said is None:
            return
        self.send_response(said[0])
        self.send_header("Content-Type", said[1])
        self.end_headers()
        self.wfile.write(said[2])

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


Say = Callable[[str, str, bytes], "tuple[int, str, bytes] | None"]


@contextmanager
def lying(say: Say, port: int = 0) -> Iterator[str]:
    """The URL of a witness that nobody should believe."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Liar)
    server.say = say  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
