"""Takes the key folder out of a process's sight by the kernel (Landlock), for good and for all its children.

As a program, `python confine.py [--no-tcp] DATA_DIR KEYS_DIR PROGRAM ARGUMENT…` confines itself and becomes the
program, which with --no-tcp connects to nobody (Linux 6.7): what it needs are sockets of this machine. Landlock
lists what is allowed, so every neighbour of the key folder, at each level above it, is allowed by name. What is made
beside them later cannot be read: whatever a confined process uses lies in a folder that exists before. A confined
process can neither trace nor read the memory of one that is not. Kernel's documentation: landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
import sys
import tempfile
from pathlib import Path

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
PR_SET_NO_NEW_PRIVS = 38
BY_PATH = 1
WRITE_FILE, READ_FILE = 1 << 1, 1 << 2
REMOVE = 1 << 4 | 1 << 5
MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12  # directory, file, socket, fifo, symbolic link
REFER, TRUNCATE = 1 << 13, 1 << 14
CONNECT_TCP = 1 << 1
WRITABLE = ("/dev", "/proc")
KEPT = ("database", "logs", "broker", "public", "sources", "tmp")
STARTER = "OPSPORTAL_STARTER"
ROOT = Path(__file__).resolve().parent.parent.parent
ARCHITECTURES = ("x86_64", "aarch64")  # where the numbers of the calls above hold


def version() -> int:
    """Which Landlock the kernel offers; 0 where there is none."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return 0
    return max(0, int(_libc().syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def confine(data_dir: Path, keys_dir: Path, *, no_tcp: bool = False) -> bool:
    """Confine the calling thread, hence best a process that has one only. False where the kernel cannot."""
    found = version()
    if not found:
        return False
    data_dir, keys_dir = data_dir.resolve(), keys_dir.resolve()
    for folder in (keys_dir, *(data_dir / name for name in KEPT)):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    writing = WRITE_FILE | REMOVE | MAKE
    writing |= REFER if found >= 2 else 0
    writing |= TRUNCATE if found >= 3 else 0
    rules = struct.pack("<Q", READ_FILE | writing)
    rules += struct.pack("<Q", CONNECT_TCP) if no_tcp and found >= 4 else b""  # handled, and no rule lets any through
    handle = _checked(_libc().syscall(CREATE, rules, ctypes.c_size_t(len(rules)), ctypes.c_uint32(0)), "create_ruleset")
    for path in _neighbours(keys_dir):
        _allow(handle, path, READ_FILE)
    for path in [*map(Path, WRITABLE), *(data_dir / name for name in KEPT)]:
        _allow(handle, path, READ_FILE | writing)
    _checked(_libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _checked(_libc().syscall(RESTRICT, handle, ctypes.c_uint32(0)), "restrict_self")
    os.close(handle)
    os.environ["TMPDIR"] = tempfile.tempdir = str(data_dir / "tmp")  # nothing else is left to write to
    return True


def _neighbours(keys_dir: Path) -> list[Path]:
    """Everything beside the key folder and beside each folder above it; links are left to what they point to."""
    found: list[Path] = []
    below = keys_dir
    for folder in keys_dir.parents:
        with os.scandir(folder) as entries:
            found += [Path(e.path) for e in entries if e.path != str(below) and not e.is_symlink()]
        below = folder
    return found


def _allow(handle: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= READ_FILE | WRITE_FILE | TRUNCATE
        rule = struct.pack("<Qi", rights, place)
        _checked(_libc().syscall(ADD_RULE, handle, BY_PATH, rule, ctypes.c_uint32(0)), f"add_rule for {path}")
    finally:
        os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused {what}: {os.strerror(ctypes.get_errno())}")
    return answer


def begin_starter() -> None:
    """Start, unconfined, what makes cells for this process (procedures/definitions/starter.py)."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    between = os.fork()
    if between:
        theirs.close()
        os.waitpid(between, 0)
        os.set_inheritable(ours.fileno(), True)
        os.environ[STARTER] = str(ours.detach())
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _become_starter(theirs)
    finally:
        os._exit(1)


def _become_starter(asked: socket.socket) -> None:
    os.set_inheritable(asked.fileno(), True)
    start = "from procedures.definitions.starter import main; main()"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {start}"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    os.execve(sys.executable, [sys.executable, "-P", "-c", code, str(asked.fileno())], kept)


def main() -> None:
    """Confine, and become the program; without Landlock it starts all the same, and its pages say so."""
    no_tcp = sys.argv[1] == "--no-tcp"
    data_dir, keys_dir, *program = sys.argv[2:] if no_tcp else sys.argv[1:]
    begin_starter()
    confine(Path(data_dir), Path(keys_dir), no_tcp=no_tcp)
    os.execvp(program[0], program)


if __name__ == "__main__":
    main()
