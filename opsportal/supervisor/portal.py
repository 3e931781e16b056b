"""A whole portal under one parent: for `up`, for the demo, and for tests that kill its parts."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from opsportal.settings import folders
from opsportal.supervisor import broker
from opsportal.supervisor.child import Child
from opsportal.supervisor.parts import Part, embedded
from procedures.domain.errors import OpsError

ROOT = Path(__file__).resolve().parent.parent.parent
BEAT_S = 0.05


class PortalAlreadyRuns(OpsError):
    """A data folder serves one portal at a time."""

    code = "portal.already-runs"
    next_step = "Use the portal that runs, stop it first, or give --data-dir another folder."


class PortalDidNotStart(OpsError):
    """A process of the portal does not serve."""

    code = "portal.did-not-start"
    next_step = "Read the log that is named, mend what it says, and start again."


class Portal:
    """Broker, web, egress process, runner, disposable pool and keeper on one data folder.

    `port` 0 takes a free one. `environ` comes on top of this process's variables. `quiet` sends the parts' output to
    `logs/NAME.log` in the data folder. One thread starts and ends every process, because the kernel ends a child
    when the *thread* that started it does.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        environ: Mapping[str, str] | None = None,
        quiet: bool = True,
        parts: Sequence[Part] | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or _free_port()
        self.environ = _child_environ(self.data_dir, self.port, environ or {})
        self.first_link: str | None = None
        self._quiet = quiet
        self._given_parts = parts
        self._children: dict[str, Child] = {}
        self._orders: queue.Queue[Callable[[], None]] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """Where a browser finds it: by name, since passkeys refuse addresses."""
        return f"http://localhost:{self.port}"

    def start(self, *, timeout_s: float = 150.0) -> Self:
        """Migrate, start every part and wait until each serves.

        Raises: PortalAlreadyRuns, PortalDidNotStart (then nothing is left running).
        """
        folders.private(self.data_dir)
        folders.private(self.data_dir / "logs")
        folders.kept_secret(self.data_dir / "secret-key")  # the confined web process could not make it
        self._lock = take(self.data_dir, self.url)
        self._stopping.clear()
        own_broker = not self.environ.get("OPSPORTAL_BROKER_URL")
        own = {"own_broker": own_broker, "own_database": not self.environ.get("DATABASE_URL")}
        parts = self._given_parts or embedded(self.data_dir, self.port, **own)
        self._children = {part.name: self._child(part) for part in parts}
        self._thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._thread.start()
        try:
            self._start_parts(parts, timeout_s)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every part, last started first, and free the data folder. Safe to call twice."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._lock is not None:
            broker.tidy(self.data_dir)
            release(self._lock)
            self._lock = None

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a part a signal, SIGKILL unless told otherwise; gives its pid. A part that dies is started again."""
        pid = self.pid(name)
        self._order(lambda: self._children[name].send(number))
        return pid

    def restart(self, name: str) -> None:
        """End a part gracefully and start it anew at once; returns when the new one serves."""

        def anew() -> None:
            self._children[name].end()
            self._children[name].start()

        self._order(anew)
        self.wait_for(name)

    def pid(self, name: str) -> int:
        """The pid of a part that lives. Raises PortalDidNotStart while it is between two lives."""
        pid = self._children[name].pid
        if pid is None:
            raise PortalDidNotStart(f"The {name} does not run at this moment; see {self.log(name)}.")
        return pid

    def living_pid(self, name: str) -> int | None:
        """The pid of a part, None while it is between two lives."""
        return self._children[name].pid

    def starts(self, name: str) -> int:
        """How often a part was started since the portal was."""
        return self._children[name].starts

    def log(self, name: str) -> Path:
        """Where a part's output goes when the portal is quiet."""
        return self.data_dir / "logs" / f"{name}.log"

    def wait_for(self, name: str, *, timeout_s: float = 30.0) -> None:
        """Return when a part lives and serves. Raises PortalDidNotStart after `timeout_s`."""
        child, until = self._children[name], time.monotonic() + timeout_s
        while time.monotonic() < until:
            if child.pid is not None and (child.part.serves is None or child.part.serves()):
                return
            time.sleep(BEAT_S)
        raise PortalDidNotStart(f"The {name} does not serve after {timeout_s:.0f} s; see {self.log(name)}.")

    def wait(self) -> None:
        """Stay until somebody calls `stop`."""
        self._stopping.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _child(self, part: Part) -> Child:
        return Child(part, self.environ, cwd=ROOT, log=self.log(part.name) if self._quiet else None)

    def _start_parts(self, parts: Sequence[Part], timeout_s: float) -> None:
        until = time.monotonic() + timeout_s
        names = [part.name for part in parts]
        if "broker" in names:
            self._order(self._children["broker"].start)
        if self._given_parts is None:
            self.first_link = _prepared(self.environ)
        for name in names:
            if name != "broker":
                self._order(self._children[name].start)
        for name in names:
            self.wait_for(name, timeout_s=max(0.1, until - time.monotonic()))

    def _order(self, work: Callable[[], None]) -> None:
        """Have the supervising thread do something, and wait until it is done."""
        done, problems = threading.Event(), list[BaseException]()

        def tracked() -> None:
            try:
                work()
            except BaseException as problem:  # noqa: BLE001 - handed to the thread that asked
                problems.append(problem)
            finally:
                done.set()

        self._orders.put(tracked)
        while not done.wait(0.5):
            if self._thread is None or not self._thread.is_alive():
                raise PortalDidNotStart("The portal has stopped.")
        if problems:
            raise problems[0]

    def _supervise(self) -> None:
        while not self._stopping.is_set():
            try:
                self._orders.get(timeout=BEAT_S)()
            except queue.Empty:
                self._raise_the_dead()
        for child in reversed(self._children.values()):
            child.end()

    def _raise_the_dead(self) -> None:
        for name, child in self._children.items():
            status = child.poll()
            if status is not None:
                sys.stderr.write(f"The {name} ended ({_told(status)}); it is started again. See {self.log(name)}.\n")
            elif child.starts and child.pid is None and time.monotonic() >= child.next_start_at:
                child.start()


def _child_environ(data_dir: Path, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """The variables of every part. A test session's own database is not for a portal."""
    inherited = dict(os.environ)
    if inherited.get("OPSPORTAL_PROFILE") == "test":
        inherited.pop("DATABASE_URL", None)
    return {
        **inherited,
        "OPSPORTAL_PROFILE": "embedded",
        "OPSPORTAL_DATA_DIR": str(data_dir),
        "OPSPORTAL_PORT": str(port),
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def take(data_dir: Path, what_for: str) -> IO[str]:
    """The data folder's lock, held as long as the file is open. Raises PortalAlreadyRuns."""
    file = (data_dir / "up.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise PortalAlreadyRuns(f"A portal already runs on {data_dir} ({holder}).") from None
    file.truncate(0)
    file.write(f"pid {os.getpid()}, {what_for}")
    file.flush()
    return file


def release(lock: IO[str]) -> None:
    """Let the data folder go."""
    lock.close()


def _prepared(environ: Mapping[str, str]) -> str | None:
    """Migrate in a process of its own; gives the path of the one-time link, if the portal has no access manager yet."""
    argv = [sys.executable, "-m", "opsportal.supervisor.prepare"]
    ended = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise PortalDidNotStart(f"The database could not be prepared: {ended.stderr.strip()[-2000:]}")
    return ended.stdout.strip().rpartition("\n")[2] or None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _told(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
