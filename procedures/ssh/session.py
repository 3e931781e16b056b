"""One command over one connection: two lines out, output back, a lifeline held, and the stub's last words believed."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import paramiko

from procedures.domain.gathering import Gathered, Write
from procedures.domain.remote import Payload
from procedures.ssh.stub import trailer_mark

READ = 65_536
STOP_WAIT_S = 3.0
BEAT_S = 5.0  # the stub takes three that are missing for the end of the connection


@dataclass(frozen=True, slots=True)
class Said:
    """`status` None: the host never said. `left` is what the stub knows of the process group. `output` is the file."""

    status: int | None
    left: Literal["dead", "alive", "unknown"]
    output: bytes
    why: Literal["exit", "timeout", "cancel", "lost"]


class _Trailer:
    """Takes the stub's last words out of the stream of stderr, whatever the chunks."""

    def __init__(self, mark: bytes) -> None:
        self.mark, self.held, self.words = mark, b"", b""

    def feed(self, data: bytes) -> bytes:
        if self.words:
            self.words += data
            return b""
        text = self.held + data
        at = text.find(self.mark)
        if at >= 0:
            self.words, self.held = text[at:], b""
            return text[:at]
        keep = next((n for n in range(min(len(self.mark) - 1, len(text)), 0, -1) if text.endswith(self.mark[:n])), 0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def said(self) -> tuple[int | None, str, bytes]:
        parts = self.words.split()
        if len(parts) < 4:
            return None, "unknown", b""
        output = base64.b64decode(parts[4]) if len(parts) > 4 else b""
        return int(parts[2]), parts[3].decode(), output


def drive(
    transport: paramiko.Transport,
    words: str,
    payload: Payload,
    *,
    seconds: float,
    cancelled: threading.Event,
    write: Write,
) -> Said:
    """Run `words` (ignored by a forced command) with the payload; returns within a few seconds of a cancel."""
    channel = transport.open_session(timeout=10)
    channel.exec_command(words)
    channel.sendall(payload.data)
    trailer = _Trailer(trailer_mark(payload.line2))
    out = Gathered(write)
    with _beating(channel):
        why = _pump(transport, channel, trailer, time.monotonic() + seconds, cancelled, out)
    if why in {"cancel", "timeout"}:
        _ask_to_stop(channel)
        _pump(transport, channel, trailer, time.monotonic() + STOP_WAIT_S, threading.Event(), out)
    rest = trailer.held
    if rest:
        out.add("stderr", rest)
    out.flush()
    status, left, output = trailer.said()
    if status is None and channel.exit_status_ready():
        status = channel.recv_exit_status()
    channel.close()
    return Said(status, left if left in {"dead", "alive"} else "unknown", output, why)  # type: ignore[arg-type]


@contextmanager
def _beating(channel: paramiko.Channel) -> Iterator[None]:
    """Keep the lifeline alive, whatever the thread that reads is waiting for."""
    over = threading.Event()

    def beat() -> None:
        try:
            while True:
                channel.sendall(b"beat\n")
                if over.wait(BEAT_S):
                    return
        except (OSError, EOFError):
            return

    threading.Thread(target=beat, name="lifeline", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _ask_to_stop(channel: paramiko.Channel) -> None:
    try:
        channel.sendall(b"stop\n")
        channel.shutdown_write()
    except (OSError, EOFError):
        return


def _pump(
    transport: paramiko.Transport,
    channel: paramiko.Channel,
    trailer: _Trailer,
    end: float,
    cancelled: threading.Event,
    out: Gathered,
) -> Literal["exit", "timeout", "cancel", "lost"]:
    """Hand over output until the command ended, was cut off, or must stop."""
    while True:
        moved = False
        if channel.recv_ready():
            out.add("stdout", channel.recv(READ))
            moved = True
        if channel.recv_stderr_ready():
            shown = trailer.feed(channel.recv_stderr(READ))
            if shown:
                out.add("stderr", shown)
            moved = True
        out.tick()
        if moved:
            continue
        if channel.exit_status_ready() and channel.eof_received:
            return "exit"
        if not transport.is_active():
            return "lost"
        if cancelled.is_set():
            return "cancel"
        if time.monotonic() >= end:
            return "timeout"
        channel.status_event.wait(0.01)
