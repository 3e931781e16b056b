"""Shows a program in the sandbox the portal's Python and installed packages, and of our own code the domain alone."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path

OWN = Path(__file__).resolve().parent.parent
HIDDEN = ("procedures", "opsportal")


def python() -> str:
    """The path of the interpreter inside: the system's own, or the one that is shown as /python."""
    if _of_the_system():
        return str(_executable())
    return f"/python/bin/{_executable().name}"


def shown() -> dict[str, Path]:
    """What is to be seen inside → where it lies: interpreter, packages, the child's program and the domain."""
    places = {} if _of_the_system() else {f"/python/{name}": _base() / name for name in ("bin", "lib")}
    places |= {f"/site/{number}": folder for number, folder in enumerate(_sites())}
    return places | {
        "/portal/child.py": OWN / "sandbox" / "child.py",
        "/portal/procedures/__init__.py": OWN / "__init__.py",
        "/portal/procedures/domain": OWN / "domain",
    }


def alone(tier: str) -> str:
    """The path of an interpreter inside that tier, which needs the standard library alone.

    Tier C has no mounts: where steps have user ids of their own and ours lies in a folder that they cannot enter, it
    is the system's.
    """
    return python() if tier != "C" else str(_plain())


def without_packages(tier: str) -> dict[str, Path]:
    """What that interpreter needs to see → where it lies."""
    if tier != "C":
        return {} if _of_the_system() else {f"/python/{name}": _base() / name for name in ("bin", "lib")}
    base = _plain().parent.parent
    return {} if Path("/usr") in _plain().parents else {str(base / name): base / name for name in ("bin", "lib")}


def _plain() -> Path:
    own = _executable()
    if os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in own.parents):
        return own
    return Path(shutil.which("python3", path="/usr/local/bin:/usr/bin") or own)


def sites() -> list[str]:
    """Where packages lie inside."""
    return [f"/site/{number}" for number in range(len(_sites()))]


def covered() -> list[str]:
    """Our own folders among the packages, where we are installed ourselves."""
    rows = enumerate(_sites())
    return [f"/site/{number}/{name}" for number, folder in rows for name in HIDDEN if (folder / name).is_dir()]


@cache
def _sites() -> tuple[Path, ...]:
    found = dict.fromkeys(Path(row) for row in sys.path if Path(row).name in {"site-packages", "dist-packages"})
    return tuple(folder for folder in found if folder.is_dir())


def _executable() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _base() -> Path:
    return _executable().parent.parent


def _of_the_system() -> bool:
    return Path("/usr") in _executable().parents
