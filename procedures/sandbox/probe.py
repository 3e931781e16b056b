"""Looks at start what the sandbox really holds back, by trying."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from procedures.sandbox.cgroup import lent
from procedures.sandbox.launch import NoSandbox, Program
from procedures.sandbox.run import run
from procedures.sandbox.slots import NoSlot, slot

PROBE = (
    "cat /etc/shadow >/dev/null 2>&1 && echo shadow; ls /root >/dev/null 2>&1 && echo root; "
    "touch /usr/opsportal-probe 2>/dev/null && echo write; "
    "[ \"$(ls /proc | grep -c '^[0-9]*$')\" -gt 8 ] && echo processes; "
    "grep -q OPSPORTAL_PROBE_CANARY /proc/*/environ 2>/dev/null && echo environment; "
    "(exec 3<>/dev/tcp/127.0.0.1/1) 2>/dev/null && echo network; echo done"
)


def tier() -> str:
    """`B` when every hostile probe is held back, `A` where steps get a control group too; else `D`: nothing runs."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="opsportal-probe-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        for part in ("scratch", "bundle"):
            (folder / part).mkdir()
        shown: list[bytes] = []
        try:
            with slot() as uid:
                if os.geteuid() == 0:
                    os.chown(folder / "scratch", uid, uid)
                program = Program(
                    ["/bin/sh", "-c", PROBE], {"PATH": "/usr/bin:/bin"}, folder / "scratch", folder / "bundle", uid
                )
                run(
                    program,
                    stdin=b"",
                    seconds=10,
                    cancelled=threading.Event(),
                    write=lambda _, data: shown.append(data),
                )
        except (NoSandbox, NoSlot):
            return "D"
    if b"".join(shown).strip() != b"done":
        return "D"
    return "A" if lent() is not None else "B"
