"""A control group of its own for each step, where the host lends this process a part of its tree (tier A).

Limits in a group count for everything in it together, whatever its processes fork or change, and one write ends them
all. The host lends a part by `Delegate=yes` in the runner's unit; nothing is touched that was not lent. Kernel's
documentation: Control Group v2.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from procedures.sandbox.limits import Limits

WANTED = ("memory", "pids")
LEAF = "opsportal-runner"
ENTER = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


@cache
def lent() -> Path | None:
    """The folder below which groups can be made, with memory and pids counted; None where the host lends none."""
    own = own_group()
    if own is None or not delegated(own) or not set(WANTED) <= set(_words(own / "cgroup.controllers")):
        return None
    return own if prepared(own, WANTED) else None


def own_group(mounts: str = "/proc/self/mounts", groups: str = "/proc/self/cgroup") -> Path | None:
    """This process's place in the version 2 tree, None where it is not mounted."""
    places = [row.split() for row in Path(mounts).read_text().splitlines()]
    roots = [Path(row[1]) for row in places if len(row) > 2 and row[2] == "cgroup2"]
    inside = [row[3:] for row in Path(groups).read_text().splitlines() if row.startswith("0::")]
    if not roots or not inside:
        return None
    return roots[0] / inside[0].lstrip("/")


def delegated(own: Path) -> bool:
    """Whether systemd says that this part of the tree is the unit's own: the mark that it sets for `Delegate=`."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(own, name) == b"1":
                return True
    return False


def prepared(own: Path, controllers: Sequence[str]) -> bool:
    """Hand the controllers down. A group with processes in it cannot, so they move into a leaf beside the steps."""
    try:
        leaf = own / LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _words(own / "cgroup.procs"):
            with suppress(OSError):  # it ended meanwhile, or is the kernel's
                (leaf / "cgroup.procs").write_text(pid)
        if controllers:
            (own / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
    except OSError:
        return False
    return True


@contextmanager
def group(limits: Limits, below: Path | None = None) -> Iterator[Path | None]:
    """A fresh group under these limits; whatever is in it at the end is killed. None where the host lends no tree."""
    place = below or lent()
    if place is None:
        yield None
        return
    made = place / f"opsportal-step-{uuid4().hex}"
    made.mkdir()
    try:
        for name, value in (
            ("memory.max", limits.memory_bytes),
            ("memory.swap.max", 0),
            ("pids.max", limits.processes),
        ):
            if (made / name).exists():
                (made / name).write_text(str(value))
        yield made
    finally:
        with suppress(OSError):
            (made / "cgroup.kill").write_text("1")
        _removed(made)


def enter(made: Path) -> list[str]:
    """The words before a program that is to begin its life inside the group."""
    return ["/bin/sh", "-c", ENTER, str(made)]


def _removed(made: Path) -> None:
    """A group can be removed once its last process is reaped, which the kernel does a moment after the kill."""
    for _ in range(200):
        try:
            made.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
