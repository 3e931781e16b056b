"""Becomes a program in a cell of its own: no network, no other process, no portal's data; all of it gone at the end.

As a program, `python cell.py ROOT HIDDEN… -- MODULE` (this file imports nothing of ours). The cell has its own network,
process, mount and IPC name spaces: an empty file system lies over each hidden folder, over everybody's home and over
/run, /tmp and /var/tmp, so that what a step writes is memory with a limit, which ends with the cell; of what is covered
only our own code and Python are put back. What runs inside still goes through bubblewrap; whoever breaks out of that
stands here, and finds neither keys, database nor broker. namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE = 1, 38, 4
EMPTIED = ("/run", "/tmp", "/var/tmp", "/home", "/root")  # noqa: S108 - they are covered, not used
SCRATCH_BYTES = 128 << 20
MEMORY_BYTES = 1 << 30
NO_CELL = 71


def main() -> None:
    """Make the cell, start the program inside as its first process, and end as that ends."""
    cut = sys.argv.index("--")
    root, hidden, module = Path(sys.argv[1]), sys.argv[2:cut], sys.argv[cut + 1]
    try:
        _leave()
        kept = {place: os.open(place, os.O_PATH) for place in _needed(root)}
        _cover(EMPTIED)
        for place, handle in kept.items():
            _put_back(place, handle)
        _cover(hidden)
    except OSError as problem:
        sys.stderr.write(f"no cell: {problem}\n")
        sys.exit(NO_CELL)
    child = os.fork()
    if child:
        os.close(0)
        os.close(1)
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status) % 256)
    _begin(root, module)


def _leave() -> None:
    """Leave the host's name spaces; without root by way of a user name space in which we stay who we are."""
    uid, gid = os.geteuid(), os.getegid()
    spaces = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET
    _checked(_libc().unshare(ctypes.c_int(spaces if uid == 0 else spaces | NEWUSER)), "unshare")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _mount("none", "/", "", MS_REC | MS_PRIVATE)


def _cover(folders: Sequence[str]) -> None:
    for folder in folders:
        if Path(folder).is_dir():
            size = SCRATCH_BYTES if folder == "/var/tmp" else 1 << 20  # noqa: S108 - the cell's own
            _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},nr_inodes=20000,mode=1777")


def _needed(root: Path) -> list[Path]:
    """Our own code and Python, where they lie below what is covered; outer folders first."""
    places = {root, Path(sys.executable).parent.parent, Path(sys.prefix), Path(sys.base_prefix)}
    covered = [place for place in places if any(Path(folder) in place.parents for folder in EMPTIED)]
    return sorted(place for place in covered if not set(place.parents) & places)


def _put_back(place: Path, handle: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    _mount(f"/proc/self/fd/{handle}", str(place), "", MS_BIND | MS_REC)
    os.close(handle)


def _begin(root: Path, module: str) -> None:
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    os.chdir("/")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # from here on nothing reaches the portal's log
    start = f"import runpy, sys; sys.path.insert(0, {str(root)!r}); runpy.run_module({module!r}, run_name='__main__')"
    os.execve(sys.executable, [sys.executable, "-I", "-c", start], dict(os.environ))


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = [word.encode() for word in (source, target, kind)]
    _checked(_libc().mount(*words, ctypes.c_ulong(flags), options.encode()), f"mount on {target}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int, what: str) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
