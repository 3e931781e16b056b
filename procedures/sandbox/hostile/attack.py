"""The list of attacks, and what several of them use. This room imports nothing else of ours: it runs in a sandbox."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]
Attack = Callable[[Facts], bool]
ATTACKS: dict[str, Attack] = {}
CALLS = {"x86_64": {"clone": 56, "vm_read": 310}, "aarch64": {"clone": 220, "vm_read": 270}}


def attack(one: Attack) -> Attack:
    """List it. It returns whether it got through, or raises what the system answers."""
    ATTACKS[one.__name__.replace("_", "-")] = one
    return one


def in_child(what: Callable[[], bool]) -> bool:
    """Done in a process of its own, which what it changes ends with."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if what() else 1)
    return os.waitpid(pid, 0)[1] == 0


def number_of(name: str) -> int:
    return CALLS[os.uname().machine][name]


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
