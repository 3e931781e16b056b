"""The resident Rego evaluator: one child process per process that needs it, started at the first decision.

A child knows one bundle. It is replaced when the bundle is another one, after 1,000 decisions, and whenever it was
ended: by the kernel after 200 ms of processor time, or from here when it does not answer or grows over its memory.
Whatever ends it, the decision that it was asked denies, and names the policy that was being evaluated.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from procedures.policy.functions import FUNCTIONS

CHILD = Path(__file__).with_name("child.py")
CPU_S = 0.2  # of processor time, for one decision; the kernel ends the child
WALL_S = 2.0  # a busy machine is no reason to deny, one that does not answer is
LOAD_S = 10.0
MEMORY_BYTES = 256 << 20  # resident
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOK_S = 0.005  # how often its memory is looked at while it works
LONGEST_LINE = 1 << 20
DECISIONS = 1_000
BROKEN = "broke the evaluator"


@dataclass(frozen=True, slots=True)
class Source:
    """One policy as the child loads it: the modules share `package`."""

    name: str
    package: str
    modules: tuple[tuple[str, str], ...]
    settings: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        modules = [list(module) for module in self.modules]
        return {"name": self.name, "package": self.package, "modules": modules, "settings": dict(self.settings)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one policy said: the value of its package, or why there is none."""

    policy: str
    value: Any = None
    error: str = ""


class _Gone(Exception):
    """The child ended or was ended, in the words of a reason."""


class Child:
    """One child process with one bundle. Not for two threads at once."""

    def __init__(self, sources: Sequence[Source], *, cpu_s: float = CPU_S) -> None:
        self._cpu_s = cpu_s
        self.decisions = 0
        self._rest = b""
        self._scratch = tempfile.TemporaryDirectory(prefix="opsportal-policy-")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", str(CHILD), _site()],
            env={},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self.problems = self._load(sources)
        finally:
            self._scratch.cleanup()

    def _load(self, sources: Sequence[Source]) -> dict[str, str]:
        """Policy → why it cannot be used. What was not compiled when the child ended cannot be used either."""
        told: dict[str, str] = {}
        said = {"policies": [one.as_json() for one in sources], "functions": sorted(FUNCTIONS), "cpu": self._cpu_s}
        try:
            self._write(said | {"scratch": self._scratch.name})
            for line in self._lines(LOAD_S):
                if "ready" in line:
                    return {name: why for name, why in told.items() if why}
                told[line["policy"]] = line.get("error", "")
        except _Gone as gone:
            for one in sources:
                told.setdefault(one.name, f"cannot be loaded: {gone}")
        return {name: why for name, why in told.items() if why}

    def ask(self, names: Sequence[str], given: Mapping[str, Any]) -> list[Answer]:
        """One answer per name; from the one on that ended the child, each is an error."""
        self.decisions += 1
        found: list[Answer] = []
        try:
            self._write({"ask": list(names), "input": given})
            for line in self._lines(WALL_S + self._cpu_s):
                found.append(Answer(line["policy"], line.get("value"), line.get("error", "")))
                if len(found) == len(names):
                    return found
        except _Gone as gone:
            culprit = len(found)
            found += [
                Answer(
                    name, error=f"{gone}" if place == 0 else f"not reached, as {names[culprit]} ended the evaluation"
                )
                for place, name in enumerate(names[culprit:])
            ]
        return found

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        pipe = self._process.stdin
        if pipe is None:
            raise _Gone("the evaluator has no input")
        try:
            pipe.write(json.dumps(line).encode() + b"\n")
            pipe.flush()
        except OSError as problem:
            raise _Gone(self._why()) from problem

    def _lines(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Lines of the child, until the time is over. Raises _Gone, and the child is ended then."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as ready:
            pipe = self._process.stdout
            if pipe is None:
                raise _Gone("the evaluator has no output")
            ready.register(pipe, selectors.EVENT_READ)
            while True:
                line, found, rest = self._rest.partition(b"\n")
                if found:
                    self._rest = rest
                    yield json.loads(line)
                    continue
                if not ready.select(LOOK_S):
                    self._require_small(until)
                    continue
                piece = os.read(pipe.fileno(), 65_536)
                if not piece:
                    raise _Gone(self._why())
                self._rest += piece
                if len(self._rest) > LONGEST_LINE:
                    self._end("answers without end")

    def _require_small(self, until: float) -> None:
        """Raises _Gone for a child that is over its time or its memory."""
        if time.monotonic() > until:
            self._end("gave no answer in time")
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return  # it ended, which the next read shows, or the host hides it: its processor time is limited still
        if pages * PAGE > MEMORY_BYTES:
            self._end(f"needed more than {MEMORY_BYTES >> 20} MiB")

    def _end(self, why: str) -> NoReturn:
        self._process.kill()
        raise _Gone(why)

    def _why(self) -> str:
        code = self._process.wait()
        if code == -signal.SIGPROF:
            return f"took longer than {self._cpu_s * 1000:.0f} ms"
        return BROKEN


@cache
def _site() -> str:
    """The folder of installed packages that holds the Rego evaluator; it is looked up, not imported here."""
    from importlib.util import find_spec

    spec = find_spec("regopy")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("regopy, which evaluates policies, is not installed")
    return str(Path(spec.origin).parent.parent)


class Resident:
    """The child of this process, made when it is first needed and again whenever it must be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._pid = 0
        self._mark = ""

    def ask(self, mark: str, sources: Sequence[Source], names: Sequence[str], given: Mapping[str, Any]) -> list[Answer]:
        """Answers of `names`; `mark` tells one bundle from another.

        A child that somebody else ended, as the kernel does where memory is short, costs nobody the answer: another is
        asked, once. Whatever breaks that one too is a policy.
        """
        with self._lock:
            answers = self._fresh(mark, sources).ask(names, given)
            if any(one.error == BROKEN for one in answers):
                answers = self._fresh(mark, sources).ask(names, given)
            return answers

    def _fresh(self, mark: str, sources: Sequence[Source]) -> Child:
        child = self._child
        if child is not None and self._pid != os.getpid():
            child = None  # the parent's, which went on with it
        fits = child is not None and self._mark == mark and child.decisions < DECISIONS and child.alive
        if child is not None and not fits:
            child.close()
        if child is None or not fits:
            child = Child(sources)
            self._child, self._pid, self._mark = child, os.getpid(), mark
        return child

    def close(self) -> None:
        with self._lock:
            if self._child is not None and self._pid == os.getpid():
                self._child.close()
            self._child = None


RESIDENT = Resident()
atexit.register(RESIDENT.close)


def problems(sources: Sequence[Source]) -> dict[str, str]:
    """Policy → why it cannot be used, found by a child of its own."""
    child = Child(sources)
    try:
        return child.problems
    finally:
        child.close()
