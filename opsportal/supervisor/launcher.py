"""Becomes another program that dies with its parent: `python launcher.py PARENT_PID PROGRAM ARGUMENT…`.

A start of its own because `preexec_fn` is unsafe beside threads and slow from a large parent. The kernel sends the
signal when the parent's *thread* ends (prctl(2), PR_SET_PDEATHSIG), so the parent starts children from a thread that
lives as long as itself.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arm the signal, look whether the parent is still there, and become the program."""
    parent, argv = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit("The parent ended before its child began.")
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
