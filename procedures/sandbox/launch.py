"""Starts one program inside bubblewrap (tiers A and B). The launcher drops rights, not the runner."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from procedures.domain.errors import OpsError
from procedures.sandbox import interpreter
from procedures.sandbox.cgroup import enter
from procedures.sandbox.egress import Egress
from procedures.sandbox.limits import Limits

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
ETC = (
    "/etc/ssl/certs",
    "/etc/ca-certificates",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/etc/localtime",
)
NETWORK_ETC = ("/etc/resolv.conf", "/etc/hosts")
GATHER = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 71; shift 2; done; shift; exec "$@"'


class NoSandbox(OpsError):
    """This host cannot isolate a local step, so none runs here (tier D)."""

    code = "sandbox.unavailable"
    next_step = (
        "Install bubblewrap and allow user namespaces on the runner's host (`apt-get install bubblewrap`), "
        "or give it a kernel with Landlock."
    )


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run: argv, environment, and folders of the host seen inside as /scratch and /bundle.

    `shown` are more files and folders of the host by the path that they have inside, to be read alone; they may lie
    where the step's user could not go. `covered` are folders among them that look empty. `gathered` is an empty folder
    of the host, needed where something is shown and we are root. `lent` are secrets by the path of the file that holds
    them inside: they are handed over in memory, and lie on no disk. `tier` C has no mounts: all of it lies there by the
    path that it has on the host, and of /scratch and /bundle nothing is seen by these names (`places.py`). `egress` is
    begun before and lets it out to a list of hosts; it needs tier B, and an interpreter that is shown.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    scratch: Path
    bundle: Path
    uid: int
    network: bool = False
    limits: Limits = field(default_factory=Limits)
    group: Path | None = None
    shown: Mapping[str, Path] = field(default_factory=dict)
    covered: Sequence[str] = ()
    lent: Mapping[str, bytes] = field(default_factory=dict)
    gathered: Path | None = None
    tier: str = "B"
    egress: Egress | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A program that was started. `end` ends it, with everything that it started, while it is not waited for."""

    process: subprocess.Popen[bytes]
    end: Callable[[], None]
    lifeline: int | None = None  # whoever waited closes it


NOTHING: Mapping[int, str] = {}


@cache
def bubblewrap() -> str:
    """The path of bwrap. Raises NoSandbox."""
    found = shutil.which("bwrap")
    if found is None:
        raise NoSandbox("bubblewrap is not installed on this runner, and without it no local step runs.")
    return found


def arguments(program: Program, lent: Mapping[int, str] = NOTHING) -> list[str]:
    """The options of bwrap, handed over through a pipe: values of the environment never show in `ps`.

    `lent` says which open file becomes which file inside.
    """
    words = [
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
        "--hostname",
        "step",
        "--uid",
        "65534",
        "--gid",
        "65534",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    if not program.network:
        words.append("--unshare-net")
    for path in SYSTEM:
        place = Path(path)
        if place.is_symlink():
            words += ["--symlink", str(place.readlink()), path]
        elif place.is_dir():
            words += ["--ro-bind", path, path]
    for path in ETC + (NETWORK_ETC if program.network else ()):
        words += ["--ro-bind-try", path, path]
    words += ["--proc", "/proc", "--dev", "/dev", "--size", str(64 << 20), "--tmpfs", "/tmp"]  # noqa: S108 - inside
    words += ["--bind", str(program.scratch), "/scratch", "--ro-bind", str(program.bundle), "/bundle"]
    for inside, source in _sources(program).items():
        words += ["--ro-bind", str(source), inside]
    for inside in program.covered:
        words += ["--tmpfs", inside, "--remount-ro", inside]
    for number, inside in lent.items():
        words += ["--perms", "0400", "--ro-bind-data", str(number), inside]
    words += ["--chdir", "/scratch", "--remount-ro", "/"]
    for name, value in program.env.items():
        words += ["--setenv", name, value]
    return words


def _sources(program: Program) -> dict[str, Path]:
    """Where each shown thing is taken from: for root, from where `_gather` puts it."""
    if program.gathered is None or os.geteuid() != 0:
        return dict(program.shown)
    return {inside: program.gathered / str(number) for number, inside in enumerate(program.shown)}


def _gather(program: Program) -> list[str]:
    """The words that put what is shown where the step's user can go, in a mount name space that ends with the step."""
    if program.gathered is None or os.geteuid() != 0:
        return []
    words = ["/usr/bin/unshare", "--mount", "--", "/bin/sh", "-c", GATHER, "gather"]
    for inside, place in _sources(program).items():
        source = program.shown[inside]
        place.mkdir() if source.is_dir() else place.touch()
        words += [str(source), str(place)]
    return [*words, "--"]


def start(program: Program) -> Running:
    """Start it, with pipes for the three streams. Raises NoSandbox."""
    bwrap = bubblewrap()
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    argv, handed = _argv(program)
    command = [bwrap, "--args", str(reader), "--", *program.limits.prlimit(), *argv]
    if os.geteuid() == 0:
        who = str(program.uid)
        command = [
            "/usr/bin/setpriv",
            "--reuid",
            who,
            "--regid",
            who,
            "--clear-groups",
            "--no-new-privs",
            "--",
            *command,
        ]
    command = [*_gather(program), *command]
    if program.group is not None:
        command = [*enter(program.group), *command]
    lent = {_in_memory(data): inside for inside, data in program.lent.items()}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=(reader, *lent, *handed),
            start_new_session=True,
        )
    except OSError as problem:
        os.close(writer)
        raise NoSandbox(f"The sandbox does not start: {problem}") from problem
    finally:
        for number in (reader, *lent):
            os.close(number)
        if program.egress is not None:
            program.egress.taken()
    words = (word.encode("utf-8", "surrogateescape") + b"\0" for word in arguments(program, lent))
    with os.fdopen(writer, "wb", buffering=0):
        fed(writer, b"".join(words))
    return Running(process, lambda: _kill(process))


def _argv(program: Program) -> tuple[Sequence[str], list[int]]:
    """What runs inside, and which open files it takes over."""
    if program.egress is None:
        return program.argv, []
    return program.egress.words(interpreter.alone(program.tier), program.argv), [program.egress.handed()]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the outer process; the pid namespace, whose first process dies with it, takes every descendant along."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _in_memory(data: bytes) -> int:
    """An open file that no folder names, at its beginning; other programs do not inherit it."""
    number = os.memfd_create("lent")
    os.write(number, data)
    os.lseek(number, 0, os.SEEK_SET)
    return number


def fed(writer: int, data: bytes) -> None:
    """Write all of it; whoever no longer reads is told nothing."""
    view = memoryview(data)
    with suppress(BrokenPipeError):
        while view:
            view = view[os.write(writer, view) :]
