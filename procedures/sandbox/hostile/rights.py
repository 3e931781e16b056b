"""Attempts to be more than the step's user: other users, other name spaces, other ways to the kernel."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from pathlib import Path

from procedures.sandbox.hostile.attack import Facts, attack, in_child, libc, number_of

NEW_USER, NEW_NET = 0x10000000, 0x40000000
IO_URING_SETUP = 425


@attack
def gain_privileges(_: Facts) -> bool:
    """Whether a program with the setuid bit would be another user."""
    return "NoNewPrivs:\t1" not in Path("/proc/self/status").read_text()


@attack
def become_root(facts: Facts) -> bool:
    """A copy of `id` that belongs to root and has the bit, where there is one."""
    ended = subprocess.run([facts["setuid"], "-u"], capture_output=True, timeout=10, check=False)
    return ended.stdout.strip() == b"0"


@attack
def mount(_: Facts) -> bool:
    Path("mounted").mkdir(exist_ok=True)
    if libc().mount(b"none", b"mounted", b"tmpfs", 0, None) != 0:
        return False
    libc().umount2(b"mounted", 0)
    return True


@attack
def change_root(_: Facts) -> bool:
    return in_child(lambda: libc().chroot(b".") == 0)


@attack
def new_user_space(_: Facts) -> bool:
    return in_child(lambda: libc().unshare(NEW_USER) == 0)


@attack
def new_user_space_by_clone(_: Facts) -> bool:
    pid = int(libc().syscall(number_of("clone"), NEW_USER | signal.SIGCHLD, 0, 0, 0, 0))
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
    return pid > 0


@attack
def new_network_space(_: Facts) -> bool:
    return in_child(lambda: libc().unshare(NEW_USER | NEW_NET) == 0)


@attack
def read_a_device(_: Facts) -> bool:
    os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
    return True


@attack
def ring(_: Facts) -> bool:
    """io_uring opens files and sockets past every filter of calls."""
    handle = int(libc().syscall(IO_URING_SETUP, 1, ctypes.create_string_buffer(120)))
    if handle >= 0:
        os.close(handle)
    return handle >= 0
