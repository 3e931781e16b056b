"""Where the socket of an issuer or of the egress process lies: in a folder for its group alone, one to a folder."""

from __future__ import annotations

import fcntl
import os
import pwd
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO

LONGEST_PATH = 100
FOLDER_MODE, SOCKET_MODE = 0o710, 0o660


def path_of(given: str, environment: str, data_dir: Path) -> Path:
    """The socket of one environment's issuer; `{environment}` in what was given stands for its name."""
    path = Path(given.replace("{environment}", environment)) if given else data_dir / "issuer" / "socket"
    if len(str(path)) > LONGEST_PATH:
        raise SystemExit(f"OPSPORTAL_ISSUER_SOCKET is {path}, but must be no longer than {LONGEST_PATH} characters.")
    return path


def peers_of(named: Sequence[str], variable: str = "OPSPORTAL_ISSUER_PEERS") -> set[int]:
    """User ids of the processes that may ask, out of ids and names; none named: this process's own."""
    found = set()
    for name in named:
        try:
            found.add(int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise SystemExit(f"{variable} names {name!r}, but must name users of this host.") from None
    return found or {os.geteuid()}


def claim(path: Path, whose: str = "issuer") -> IO[bytes]:
    """Make the socket's folder if need be and hold it as long as the file is open; ends the process where it cannot."""
    folder = path.parent
    if not folder.exists():
        folder.mkdir(mode=FOLDER_MODE, parents=True)
        folder.chmod(FOLDER_MODE)
    found = folder.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o027:
        raise SystemExit(
            f"{folder} holds the {whose}'s socket, so it must belong to the {whose}'s user, be written by no other and "
            f"be closed to others: mode 0710, not {stat.S_IMODE(found.st_mode):04o} of user {found.st_uid}."
        )
    lock = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"Another {whose} listens on {path}.") from None
    return lock


def listening(path: Path) -> socket.socket:
    """The socket, for the group alone; what a killed issuer left there is replaced. Hold the folder first."""
    path.unlink(missing_ok=True)
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~SOCKET_MODE)
    try:
        found.bind(str(path))
    finally:
        os.umask(before)
    return found
