"""Names that expressions use and names that are declared: none missing, none left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from procedures.definitions.lint.notes import FILE, Notes
from procedures.definitions.lint.placed import placed
from procedures.domain import forms, rendering, results, uploads

PROGRAM = re.compile(r"\.(sh|bash|py|sql|pl|rb|js|ps1)$")
WHOLE = "OPSPORTAL_PARAMETERS"


def lint(notes: Notes) -> None:
    used = _unknown(notes)
    _unused_parameters(notes, used)
    _unused_credentials(notes)
    _unused_files(notes)


def _values(notes: Notes) -> Iterator[tuple[str, Any]]:
    """(pointer, value) of each place where expressions are evaluated."""
    for pointer, step in placed(notes.definition):
        for key, value in step.input.items():
            yield f"{pointer}/input/{key}", value
        yield f"{pointer}/if", step.condition or ""
        yield f"{pointer}/each", step.each or ""
    if notes.definition.concurrency:
        yield "/spec/concurrency/group", notes.definition.concurrency.group
    yield "/spec/output", dict(notes.definition.output)
    if notes.definition.targets:
        yield "/spec/targets/filter", notes.definition.targets.filter
        for number, alarm in enumerate(notes.definition.targets.strategy.alarms):
            yield f"/spec/targets/strategy/alarms/{number}/prometheus/query", alarm.query


def _unknown(notes: Notes) -> set[str]:
    """Say which names are not there; gives the parameters that are used, "*" for all of them."""
    known = {
        "parameters": (set(forms.every_property(notes.definition.parameters)), "parameter"),
        "secrets": (set(forms.every_property(notes.definition.secrets)), "secret"),
        "steps": ({step.id for _, step in placed(notes.definition)}, "step"),
    }
    used: set[str] = set()
    for pointer, value in _values(notes):
        for path in sorted(notes.names(pointer, value)):
            names, word = known.get(path[0], (set(), ""))
            if word and len(path) > 1 and path[1] not in names:
                notes.say(pointer, "unknown-name", f"There is no {word} {path[1]}.")
            if path[0] == "parameters":
                used.add(path[1] if len(path) > 1 else "*")
    return used


def _unused_parameters(notes: Notes, used: set[str]) -> None:
    text = b"\n".join(content for path, content in notes.files.items() if path not in {FILE, "README.md"})
    if "*" in used or WHOLE.encode() in text:
        return
    handed = set(uploads.file_parameters(notes.definition.parameters))
    for name in forms.every_property(notes.definition.parameters):
        if name not in used | handed and rendering.variable(name).encode() not in text:
            where = next((p for p in notes.document.marks if p.endswith(f"/properties/{name}")), "/spec/parameters")
            notes.say(where, "unused-parameter", f"Nothing reads the parameter {name}.")


def _unused_credentials(notes: Notes) -> None:
    used = {name for _, step in placed(notes.definition) for name in step.credentials}
    used |= {need.credential for need in results.of(notes.definition)}
    for name in notes.definition.credentials:
        if name not in used:
            notes.say(f"/spec/credentials/{name}", "unused-credential", f"No step uses the credential {name}.")


def _unused_files(notes: Notes) -> None:
    """Programs whose name nothing mentions; a folder that a step names as a whole counts as mentioned."""
    for path, _ in notes.programs():
        if not PROGRAM.search(path) or path.startswith("tests/"):
            continue
        parts = [path, path.rpartition("/")[2], *(path.split("/")[:-1])]
        others = [content for other, content in notes.files.items() if other not in {path, "README.md"}]
        if not any(part.encode() in content for part in parts for content in others):
            notes.at(path, 1, 1, "unused-file", f"Nothing names {path}.")
