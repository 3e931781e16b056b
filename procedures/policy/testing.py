"""Runs the Rego tests that lie beside policies, with the evaluator that decides: `opsportal policy test`.

A file `*_test.rego` is loaded with the other files of its folder that have its package; each rule `test_…` must hold.
The evaluator fails on `with input as …`, which is what every such test says, so that for tests alone the input is read
as a piece of data: every `input` of the text becomes `data.given`, outside of its strings and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from procedures.domain.errors import OpsError
from procedures.policy.decisions import HEAD
from procedures.policy.evaluator import Answer, Child, Source

TOKEN = re.compile(r'("(?:\\.|[^"\\\n])*"|`[^`]*`|#[^\n]*)|(?<![\w.])input\b')
TEST = re.compile(r"^(test_\w+)", re.MULTILINE)
CPU_S = 5.0
SUFFIX = "_test.rego"


class NoTests(OpsError):
    """A path without Rego tests."""

    code = "policy.no-tests"
    next_step = "Name a folder with files called …_test.rego, or one such file."


@dataclass(frozen=True, slots=True)
class Tested:
    """How one test ended; `told` says why it does not hold."""

    file: str
    test: str
    passed: bool
    told: str = ""


def run(path: Path) -> list[Tested]:
    """Every test at or below a path, in order. Raises NoTests."""
    files = [path] if path.is_file() else sorted(path.rglob(f"*{SUFFIX}"))
    files = [file for file in files if file.name.endswith(SUFFIX)]
    if not files:
        raise NoTests(f"There is no Rego test at {path}.")
    return [one for file in files for one in _run(file)]


def _run(file: Path) -> list[Tested]:
    child = Child([_source(file)], cpu_s=CPU_S)
    try:
        return list(_tested(file, child.ask([str(file)], {})[0]))
    finally:
        child.close()


def _source(file: Path) -> Source:
    package = _package(file)
    beside = [
        other
        for other in sorted(file.parent.glob("*.rego"))
        if not other.name.endswith(SUFFIX) and _package(other) == package
    ]
    modules = tuple((one.name, as_data(one.read_text())) for one in (*beside, file))
    return Source(str(file), package, modules, {})


def _package(file: Path) -> str:
    found = HEAD.match(file.read_text())
    return found.group(1) if found else "nothing"


def as_data(text: str) -> str:
    """Rego with its input read as the data document `given`."""
    return TOKEN.sub(lambda found: found.group(1) or "data.given", text)


def _tested(file: Path, answer: Answer) -> Iterator[Tested]:
    value = answer.value if isinstance(answer.value, dict) else {}
    for name in TEST.findall(file.read_text()):
        passed = value.get(name) is True
        yield Tested(str(file), name, passed, "" if passed else answer.error or "does not hold")
