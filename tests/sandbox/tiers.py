"""The tiers that this host has, for a runner that is root and for one that is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procedures.sandbox.launch import Program
from procedures.sandbox.limits import Limits
from procedures.sandbox.places import Places, places
from procedures.sandbox.run import Ended, run
from procedures.sandbox.slots import slot

ROOT = Path(__file__).resolve().parents[2]
ANYBODY = 64_990  # the runner's user where it is not root
PLAIN = "/usr/bin/python3"  # whom every user can start


@dataclass(frozen=True, slots=True)
class Told:
    """What a program in a tier said, and how it ended."""

    ended: Ended
    out: str
    err: str


@contextmanager
def folders(uid: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="opsportal-tier-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        for part in ("scratch", "bundle"):
            (folder / part).mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(folder / "scratch", uid, uid)
        yield folder


def inside(
    tier: str,
    *argv: str,
    seconds: float = 15,
    cancelled: threading.Event | None = None,
    lent: Mapping[str, bytes] | None = None,
    env: Mapping[str, str] | None = None,
    network: bool = False,
    limits: Limits | None = None,
) -> Told:
    """Run a program of the system in that tier."""
    said = {"stdout": b"", "stderr": b""}
    with slot() as uid, folders(uid) as folder:
        at: Places = places(tier, folder)
        program = Program(
            argv,
            {"PATH": "/usr/bin:/bin", "LENT": at.lent, **(env or {})},
            folder / "scratch",
            folder / "bundle",
            uid,
            lent={f"{at.lent}/{name}": data for name, data in (lent or {}).items()},
            network=network,
            limits=limits or Limits(processes=40),
            tier=tier,
        )
        ended = run(
            program,
            stdin=b"",
            seconds=seconds,
            cancelled=cancelled or threading.Event(),
            write=lambda stream, data: said.__setitem__(stream, said[stream] + data),
        )
    return Told(ended, said["stdout"].decode(errors="replace"), said["stderr"].decode(errors="replace"))


def as_anybody(code: str, *arguments: str) -> Any:
    """What a program of ours says, as JSON, in a process whose user is not root and has no rights at all."""
    argv = [PLAIN, "-B", "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}", *arguments]
    return json.loads(as_user(argv).stdout)


def as_user(argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    who = str(ANYBODY)
    words = ["setpriv", "--reuid", who, "--regid", who, "--clear-groups", "--", *argv] if os.geteuid() == 0 else argv
    env = {"PATH": "/usr/bin:/bin", "OPSPORTAL_SOMETHING": "1"}
    ended = subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended


__all__ = ["ANYBODY", "PLAIN", "ROOT", "Told", "as_anybody", "as_user", "folders", "inside", "sys"]
