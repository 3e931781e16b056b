"""Confines this process and all its children by the kernel's Landlock: files, TCP, signals, abstract sockets.

Landlock lists what is allowed; whatever is not listed cannot be opened, executed, made, moved or removed. What it does
not look at (modes and times of files, whether a path exists, sockets that have a path) `seccomp.py` refuses, where a
step could do harm by it. Kernel's documentation: landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

CREATE, ADD_RULE, RESTRICT = 444, 445, 446
BY_PATH, ASK_VERSION = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
FIRST = (1 << 13) - 1  # every right that the first Landlock knows
TRUNCATE, IOCTL = 1 << 14, 1 << 15
SINCE = {2: 1 << 13, 3: TRUNCATE, 5: IOCTL}  # version → the right over files that it adds
TCP = 0b11  # to bind and to connect
ABSTRACT, SIGNAL = 1 << 0, 1 << 1
NETWORK_SINCE, SCOPES_SINCE = 4, 6
ALONE, SHARED = 3, SCOPES_SINCE  # what a step needs that has a user id of its own, and one that has the runner's
ARCHITECTURES = ("x86_64", "aarch64")  # where the numbers of the calls above hold


def version() -> int:
    """Which Landlock the kernel offers; 0 where there is none."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return 0
    return max(0, int(_libc().syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_VERSION))))


def lacking(*, shared: bool) -> str:
    """What keeps this kernel from confining a step, in words; "" if nothing does. `shared`: its user id is ours.

    Below version 3 a file could be emptied by its path, and below 6 a step could end every process of its user id.
    """
    found, needed = version(), SHARED if shared else ALONE
    if found >= needed:
        return ""
    kernel = "6.12, or give the runner root, so that steps get user ids of their own" if shared else "6.2"
    has = f"has Landlock {found}" if found else "has no Landlock, or it is not among its security modules"
    return f"the kernel {has}, and version {needed} is needed (Linux {kernel})"


def restrict(
    *, readable: Sequence[str], writable: Sequence[str], devices: Sequence[str], network: bool, found: int
) -> None:
    """Confine the calling thread, hence best a process with one only; no-new-privs is set before. Raises OSError."""
    every = FIRST | sum(right for since, right in SINCE.items() if found >= since)
    tcp = TCP if found >= NETWORK_SINCE and not network else 0
    scopes = ABSTRACT | SIGNAL if found >= SCOPES_SINCE else 0
    fields = (every,) if found < NETWORK_SINCE else (every, tcp) if found < SCOPES_SINCE else (every, tcp, scopes)
    rules = struct.pack(f"<{len(fields)}Q", *fields)
    size = ctypes.c_size_t(len(rules))
    handle = _checked(_libc().syscall(CREATE, rules, size, ctypes.c_uint32(0)), "a rule set")
    for path in readable:
        _allow(handle, path, EXECUTE | READ_FILE | READ_DIR)
    for path in devices:
        _allow(handle, path, (READ_FILE | WRITE_FILE | TRUNCATE) & every)
    for path in writable:
        _allow(handle, path, every)
    _checked(_libc().syscall(RESTRICT, handle, ctypes.c_uint32(0)), "to confine")
    os.close(handle)


def _allow(handle: int, path: str, rights: int) -> None:
    """What is not there, or not for this user, is not allowed either."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            rights &= EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE | IOCTL
        rule = struct.pack("<Qi", rights, place)
        _checked(_libc().syscall(ADD_RULE, handle, BY_PATH, rule, ctypes.c_uint32(0)), f"the rule for {path}")
    finally:
        os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(answer: int, what: str) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"Landlock refused {what}: {os.strerror(ctypes.get_errno())}")
    return answer
