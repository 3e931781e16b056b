"""A filter of system calls for a step in tier C: no socket, no name space, no look into others, no new mount.

The filter refuses; Landlock allows. Calls that it names end with EPERM (`clone3` with ENOSYS, so that the C library
falls back on `clone`, whose flags can be read). A program of another architecture is ended: its numbers mean other
calls. Kernel's documentation: seccomp(2), seccomp_filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # where struct seccomp_data has them
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # the same calls once more, under other numbers
NEW_SPACES = 0x7E020080  # CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
TYPING = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX: to type into somebody's terminal

# call → (number on x86_64, on aarch64); None where the architecture has none.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    # looking into others, and speaking for them
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "perf_event_open": (298, 241),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # name spaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # another way to every call above and below
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # marks on files by a path, which Landlock does not look at
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    # what lies in the kernel and outlives a step
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "fanotify_init": (300, 262),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# Where a step has the runner's user id: modes and owners by a path, which Landlock does not look at either.
BY_PATH: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchownat": (260, 54),
}
# There too: limits and priorities of whoever is named; its first argument 0 is the caller itself.
OF_ANYBODY: dict[str, tuple[int | None, int | None]] = {
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
}
# And its second argument 0, where the first says that a process is meant (0, and 1 for ioprio_set).
WHOSE: dict[str, tuple[int, int, int]] = {"setpriority": (141, 140, 0), "ioprio_set": (251, 30, 1)}
CLONE, CLONE3, SOCKET, SOCKETPAIR, IOCTL = (56, 220), (435, 435), (41, 198), (53, 199), (16, 29)


def program(machine: str, *, network: bool, shared: bool) -> bytes:
    """The filter for an architecture. `shared`: the step has the runner's user id. Raises KeyError."""
    here = list(ARCHITECTURES).index(machine)
    refuse = REFUSE | errno.EPERM
    rows = [(LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine]), _end(KILL)]
    rows += [(LOAD, 0, 0, NUMBER)]
    rows += [(JUMP_AT_LEAST, 0, 1, X32), _end(refuse)] if machine == "x86_64" else []
    for numbers in [*REFUSED.values(), *(BY_PATH.values() if shared else ())]:
        if (number := numbers[here]) is not None:
            rows += [(JUMP_EQUAL, 0, 1, number), _end(refuse)]
    rows += [(JUMP_EQUAL, 0, 1, CLONE3[here]), _end(REFUSE | errno.ENOSYS)]
    rows += _when(CLONE[here], [_argument(0), (JUMP_IF_SET, 0, 1, NEW_SPACES), _end(refuse), _end(ALLOW)])
    rows += _when(SOCKET[here], _only(AF_INET, AF_INET6) if network else [_end(refuse)])
    rows += _when(SOCKETPAIR[here], _only(AF_UNIX))
    rows += _when(IOCTL[here], [_argument(1), *(row for n in TYPING for row in _equal(n, refuse)), _end(ALLOW)])
    if shared:
        for numbers in OF_ANYBODY.values():
            if (number := numbers[here]) is not None:
                rows += _when(number, _only(0))
        for *both, process in WHOSE.values():
            rows += _when(both[here], [_argument(0), (JUMP_EQUAL, 1, 0, process), _end(refuse), *_only(0, at=1)])
    rows.append(_end(ALLOW))
    return b"".join(struct.pack("<HBBI", *row) for row in rows)


def _end(answer: int) -> tuple[int, int, int, int]:
    return (RETURN, 0, 0, answer)


def _argument(number: int) -> tuple[int, int, int, int]:
    """The lower half of an argument, which is all that the calls above read of it."""
    return (LOAD, 0, 0, ARGUMENTS + 8 * number)


def _equal(value: int, answer: int) -> list[tuple[int, int, int, int]]:
    return [(JUMP_EQUAL, 0, 1, value), _end(answer)]


def _only(*values: int, at: int = 0) -> list[tuple[int, int, int, int]]:
    """Allow the call if its argument is one of these."""
    return [_argument(at), *(row for v in values for row in _equal(v, ALLOW)), _end(REFUSE | errno.EPERM)]


def _when(number: int, rows: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """These rows, which end by themselves, for that call alone."""
    return [(JUMP_EQUAL, 0, len(rows), number), *rows]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("rows", ctypes.c_char_p))


def lacking() -> str:
    """What keeps this machine from filtering, in words; "" if nothing does."""
    if sys.platform != "linux" or platform.machine() not in ARCHITECTURES:
        return f"its filter is written for {' and '.join(ARCHITECTURES)} alone"
    return ""


def restrict(*, network: bool, shared: bool) -> None:
    """Filter every call of this thread and its children, for good; no-new-privs is set before. Raises OSError."""
    rows = program(platform.machine(), network=network, shared=shared)
    given = _Filter(len(rows) // 8, rows)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(given), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp refused the filter: {os.strerror(ctypes.get_errno())}")
