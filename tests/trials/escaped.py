"""The program that stands in a cell as if it had broken out of the sandbox: it tries everything it can reach."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    folder, port, victim = sys.stdin.readline().split()
    got: list[str] = []

    def tries(name: str, attempt: Callable[[], object]) -> None:
        try:
            if attempt():
                got.append(name)
        except OSError:
            return

    tries("data", lambda: list(Path(folder).iterdir()))
    tries("keys", lambda: Path(folder, "keys/evidence").read_text())
    tries("root", lambda: Path(f"/proc/{victim}/root", folder.lstrip("/"), "keys/evidence").read_text())
    tries("self-root", lambda: Path("/proc/1/root", folder.lstrip("/"), "keys/evidence").read_text())
    tries("memory", lambda: os.open(f"/proc/{victim}/mem", os.O_RDONLY))
    tries("network", lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=1))
    tries("interfaces", lambda: [name for _, name in socket.if_nameindex() if name != "lo"])
    tries("environment", lambda: set(os.environ) - {"PATH", "LANG", "LC_CTYPE", "OPSPORTAL_CELL_UID"})
    tries("processes", lambda: [place for place in Path("/proc").glob("[0-9]*") if place.name != str(os.getpid())])
    tries("files", lambda: [place for place in Path("/proc/self/fd").iterdir() if int(place.name) > 3])
    ours = {*Path(__file__).parents, *Path(sys.executable).parents, *Path(sys.base_prefix, "bin").parents}
    folders = [Path(name) for name in ("/var/tmp", "/tmp", "/run", "/home", "/root")]
    tries("left", lambda: [place for folder in folders for place in folder.iterdir() if place not in ours])
    sys.stdout.write(" ".join(got) or "nothing")


if __name__ == "__main__":
    main()
