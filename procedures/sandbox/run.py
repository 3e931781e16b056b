"""Runs a program in the sandbox to its end, its time-out or its cancel; afterwards nothing of it is alive."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from typing import Literal

from procedures.domain.gathering import Gathered, Write
from procedures.sandbox import confined, launch
from procedures.sandbox.cgroup import group
from procedures.sandbox.launch import Program, Running

READ = 65_536
Why = Literal["exit", "timeout", "cancel"]


@dataclass(frozen=True, slots=True)
class Ended:
    """`status` as a shell would give it (128 + signal when killed by one)."""

    status: int
    why: Why


def run(program: Program, *, stdin: bytes, seconds: float, cancelled: threading.Event, write: Write) -> Ended:
    """Blocks until everything the program started is gone. Raises NoSandbox."""
    with group(program.limits) as made:
        return _run(replace(program, group=made), stdin, seconds, cancelled, write)


def _run(program: Program, stdin: bytes, seconds: float, cancelled: threading.Event, write: Write) -> Ended:
    running = confined.start(program) if program.tier == "C" else launch.start(program)
    process = running.process
    feeder = threading.Thread(target=_stdin, args=(process, stdin), daemon=True)
    feeder.start()
    why: Why = "cancel"
    gathered = Gathered(write)
    try:
        why = _pump(process, time.monotonic() + seconds, cancelled, gathered)
        gathered.flush()
    finally:
        status = _waited(running)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return Ended(status if status >= 0 else 128 - status, why)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return False
    return True


def _waited(running: Running) -> int:
    """The status of what has ended, or is ended now."""
    if running.process.poll() is None:
        running.end()
    status = running.process.wait()
    if running.lifeline is not None:
        os.close(running.lifeline)
    return status


def _stdin(process: subprocess.Popen[bytes], data: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(data)
        process.stdin.close()
    except (BrokenPipeError, ValueError):
        return


def _pump(process: subprocess.Popen[bytes], end: float, cancelled: threading.Event, out: Gathered) -> Why:
    """Hand over output as it comes; returns when the process has ended, or why it must stop.

    A process that closed its streams may go on for long.
    """
    names: dict[int, Literal["stdout", "stderr"]] = {}
    with selectors.DefaultSelector() as selector:
        for pipe, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ)
                names[pipe.fileno()] = name  # type: ignore[assignment]
        while selector.get_map() or not _ended(process):
            if cancelled.is_set():
                return "cancel"
            if time.monotonic() >= end:
                return "timeout"
            for key, _ in selector.select(timeout=0.05):
                data = os.read(key.fd, READ)
                if data:
                    out.add(names[key.fd], data)
                else:
                    selector.unregister(key.fileobj)
            out.tick()
            if process.poll() is not None and not selector.select(timeout=0):
                break
    return "exit"
