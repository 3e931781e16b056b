"""Looks at start what the sandbox really holds back, by trying: each tier, from the strongest, with hostile probes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from procedures.sandbox import interpreter
from procedures.sandbox.cgroup import lent
from procedures.sandbox.launch import NoSandbox, Program
from procedures.sandbox.places import places
from procedures.sandbox.run import run
from procedures.sandbox.slots import NoSlot, slot
from procedures.sandbox.victim import LIMITS, victim

ROOT = Path(__file__).parents[2]
HOSTILE = ("procedures/__init__.py", "procedures/sandbox/__init__.py", "procedures/sandbox/hostile")
CODE = "import sys; sys.path.insert(0, sys.argv[2]); from procedures.sandbox.hostile.program import main; main()"
SECONDS = 20
# In name spaces of its own a ring reaches no further than other calls; in tier C it would pass the filter.
HELD_OTHERWISE = {"B": frozenset({"ring"}), "C": frozenset[str]()}


@dataclass(frozen=True, slots=True)
class Found:
    """The tier that this host gives to a step, and why it gives no stronger one, in words."""

    tier: str
    why: str = ""


def tier() -> str:
    """`A`, `B` or `C` when every hostile probe is held back there; `D`: no local step runs."""
    return found().tier


def found() -> Found:
    """The strongest tier of this host, tried anew."""
    told: list[str] = []
    for one in ("B", "C"):
        why = _why_not(one)
        if not why:
            return Found("A" if one == "B" and lent() is not None else one, " ".join(told))
        told.append(f"Tier {one}: {why}")
    return Found("D", " ".join(told))


_KNOWN: list[Found] = []
_ONE = threading.Lock()


def settled() -> Found:
    """What steps of this process run in, tried once; where there was nothing it is tried again each time.

    Not to be called by whoever holds a slot: the probe takes one.
    """
    with _ONE:
        if _KNOWN:
            return _KNOWN[0]
        if (now := found()).tier != "D":
            _KNOWN.append(now)
        return now


def in_use() -> str:
    """The tier of what is settled."""
    return settled().tier


def _why_not(one: str) -> str:
    """What is wrong with a tier here, "" if nothing is."""
    try:
        with victim() as facts:
            through = sorted({*attempted(one, facts)} - HELD_OTHERWISE[one])
    except (NoSandbox, NoSlot) as problem:
        return problem.message
    except (OSError, ValueError) as problem:
        return f"the probes did not run: {problem}."
    return f"it does not hold back {', '.join(through)}." if through else ""


def attempted(one: str, facts: Mapping[str, Any]) -> list[str]:
    """The attacks that succeed against the victim from inside that tier. Raises NoSandbox, NoSlot, ValueError."""
    folder = Path(tempfile.mkdtemp(prefix="opsportal-probe-", dir="/var/tmp"))
    said: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    try:
        with slot() as uid:
            run(
                _program(one, folder, uid, facts),
                stdin=b"",
                seconds=SECONDS,
                cancelled=threading.Event(),
                write=lambda stream, data: said.__setitem__(stream, said[stream] + data),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        return list(json.loads(said["stdout"]))
    except ValueError as problem:
        raise ValueError(said["stderr"].decode(errors="replace").strip()[-300:] or "no answer") from problem


def _program(one: str, folder: Path, uid: int, facts: Mapping[str, Any]) -> Program:
    folder.chmod(0o711)
    for part in ("scratch", "bundle", "gathered"):
        (folder / part).mkdir(mode=0o755)
    code(folder / "bundle")
    if os.geteuid() == 0:
        os.chown(folder / "scratch", uid, uid)
    at = places(one, folder)
    shown = interpreter.without_packages(one)
    if program := facts.get("setuid"):
        facts = {**facts, "setuid": program if one == "C" else "/shown/id"}
        shown |= {facts["setuid"]: Path(program)}
    return Program(
        [interpreter.alone(one), "-I", "-S", "-B", "-c", CODE, json.dumps(facts), at.bundle],
        {"PATH": "/usr/bin:/bin"},
        folder / "scratch",
        folder / "bundle",
        uid,
        limits=LIMITS,
        shown=shown,
        gathered=folder / "gathered",
        tier=one,
    )


def code(folder: Path) -> None:
    """Lay the attacks into a folder, under the names that they import each other by."""
    for name in HOSTILE:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, place)
