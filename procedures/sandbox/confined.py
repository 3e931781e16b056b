"""Starts a program in tier C, where bubblewrap is blocked: a supervisor of its own, Landlock, seccomp and limits."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from procedures.sandbox import landlock, seccomp
from procedures.sandbox.cgroup import enter
from procedures.sandbox.launch import ETC, NETWORK_ETC, SYSTEM, NoSandbox, Program, Running, fed

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from procedures.sandbox.supervise import main; main()"
MEMORY = "/dev/shm"  # noqa: S108 - what is lent lies there: memory, which no disk holds


def start(program: Program) -> Running:
    """Start it below a supervisor, which takes all of it along once its lifeline speaks or closes. Raises NoSandbox."""
    if why := lacking():
        raise NoSandbox(f"There is no tier C here: {why}.")
    asked = _asked(program)
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", CODE, str(reader)]
    if program.group is not None:
        command = [*enter(program.group), *command]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=(reader,),
            start_new_session=True,
        )
    except OSError as problem:
        os.close(writer)
        raise NoSandbox(f"The sandbox does not start: {problem}") from problem
    finally:
        os.close(reader)
    fed(writer, json.dumps(asked).encode() + b"\n")
    return Running(process, lambda: fed(writer, b"\n"), writer)


def shared() -> bool:
    """Whether steps have the runner's own user id: a runner that is not root can give them no other."""
    return os.geteuid() != 0


@cache
def lacking() -> str:
    """What keeps this host from tier C, in words; "" if nothing does."""
    return seccomp.lacking() or landlock.lacking(shared=shared())


def _asked(program: Program) -> dict[str, Any]:
    """What the supervisor is told, as one value of JSON. Raises NoSandbox for what needs a mount."""
    if program.egress is not None:
        raise NoSandbox("Tier C has no network of its own, so it holds no list of hosts: that needs bubblewrap.")
    home = f"{MEMORY}/{program.scratch.parent.name}"
    elsewhere = [inside for inside, place in program.shown.items() if inside != str(place)]
    elsewhere += [*program.covered, *(path for path in program.lent if Path(path).parent != Path(home))]
    if elsewhere:
        raise NoSandbox(f"Tier C has no mounts, so it cannot show {elsewhere[0]}: that needs bubblewrap.")
    if program.lent and not _in_memory():
        raise NoSandbox(f"{MEMORY} is no memory here, so tier C can lend no file.")
    return {
        "argv": list(map(str, program.argv)),
        "env": dict(program.env),
        "scratch": str(program.scratch),
        "readable": [*SYSTEM, *ETC, *(NETWORK_ETC if program.network else ()), str(program.bundle), *program.shown]
        + ([home] if program.lent else []),
        "lent": {Path(path).name: base64.b64encode(data).decode() for path, data in program.lent.items()},
        "lent_home": home,
        "uid": program.uid,
        "shared": shared(),
        "network": program.network,
        "limits": asdict(program.limits),
    }


def _in_memory() -> bool:
    rows = [row.split() for row in Path("/proc/self/mounts").read_text().splitlines()]
    return any(row[1] == MEMORY and row[2] == "tmpfs" for row in rows if len(row) > 2)
