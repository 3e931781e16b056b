"""Asks the code of another package one thing, in a cell of its own, where this process may make one (H4).

A process that the kernel has confined may mount nothing, so it makes no cells: its starter, which began before, does.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from procedures.definitions import packages, starter
from procedures.definitions.answers import Answers
from procedures.domain import carrying
from procedures.domain.carrying import Malformed
from procedures.domain.errors import OpsError
from procedures.sandbox import interpreter
from procedures.sandbox import run as sandbox
from procedures.sandbox.launch import Program
from procedures.sandbox.limits import Limits
from procedures.sandbox.slots import slot

ASKING_S = 15.0
ASKING = Limits(cpu_s=10, memory_bytes=512 << 20, file_bytes=16 << 20)


class ChildFailed(OpsError):
    """The cell of an action ended, or was ended, before it answered."""

    code = "action.child-failed"
    next_step = "Look at what it printed; report it to whoever made the package."


class PackageChanged(OpsError):
    """The files of a package are no longer those that this process judged."""

    code = "action.package-changed"
    next_step = "Restart the portal's processes, and submit for review the versions that use its actions."


def asked(point: EntryPoint, mark: str, who: str, ask: str, given: Sequence[Any]) -> Any:
    """What the code answers to anything but `run`: no secret of a lease, no network, some seconds. Raises OpsError."""
    if (answers := starter.ask(point.value, mark, who, ask, carrying.packed(list(given)))) is not None:
        return carrying.unpacked(answers)
    return carrying.unpacked(asked_here(point, mark, who, ask, carrying.packed(list(given))))


def asked_here(point: EntryPoint, mark: str, who: str, ask: str, given: Any) -> Any:
    """The same in this process, as JSON both ways."""
    heard = Answers(who, None)
    ended = in_cell(point, mark, ask, given, heard, ASKING_S, ASKING, network=False)
    return answer(who or point.value, heard, ended, ASKING_S)


def in_cell(
    point: EntryPoint,
    mark: str,
    ask: str,
    given: Any,
    heard: Answers,
    seconds: float,
    limits: Limits,
    *,
    network: bool,
) -> sandbox.Ended:
    """One call in a cell of its own; when this returns nothing of it is alive. Raises NoSandbox, PackageChanged."""
    question = {"point": point.value, "ask": ask, "sites": interpreter.sites(), "given": given}
    with slot() as uid, _folder(uid) as folder:
        if packages.mark(point, folder / "package") != mark:
            raise PackageChanged(f"The files of the package behind {point.value} have changed.")
        package = folder / "package" if any((folder / "package").iterdir()) else packages.root(point)
        program = Program(
            argv=[interpreter.python(), "-I", "-S", "-B", "/portal/child.py"],
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/scratch"},
            scratch=folder / "scratch",
            bundle=folder / "bundle",
            uid=uid,
            network=network,
            limits=limits,
            shown={**interpreter.shown(), "/package": package},
            covered=interpreter.covered(),
            gathered=folder / "gathered",
        )
        return sandbox.run(
            program, stdin=json.dumps(question).encode(), seconds=seconds, cancelled=heard.stop, write=heard.write
        )


@contextmanager
def _folder(uid: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="opsportal-", dir="/var/tmp"))
    try:
        folder.chmod(0o711)
        for name in ("scratch", "bundle", "package", "gathered"):
            (folder / name).mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(folder / "scratch", uid, uid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answer(who: str, heard: Answers, ended: sandbox.Ended, seconds: float) -> Any:
    """The child's answer. Raises Malformed, ChildFailed."""
    if not heard.broken and ended.why == "timeout":
        raise ChildFailed(f"{who} took longer than {seconds:g} seconds.")
    if not heard.broken and not heard.answered():
        last = heard.stray.decode(errors="replace").strip()[-500:]
        raise ChildFailed(f"{who} ended with status {ended.status} before it answered. {last}".strip())
    try:
        return heard.answer()
    except Malformed as problem:
        raise Malformed(f"{who}: {problem.message}") from problem
