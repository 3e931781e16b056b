"""Findings about steps that share a workspace: folders that they copy, and gates between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document
from procedures.domain.bundle import PHASES
from procedures.domain.definition import Definition, Step
from procedures.domain.ports import Action

FILE = "procedure.yaml"


def lint(
    definition: Definition, document: Document, files: Mapping[str, bytes], actions: Mapping[str, Action]
) -> tuple[list[Finding], tuple[str, ...]]:
    """The findings, and how the paths begin of files that steps hand on and never run."""
    found = [*_gates(definition, document, actions)]
    copied: list[str] = []
    for pointer, step in _steps(definition):
        for folder in actions[step.action].copies(step.input) if step.action in actions else ():
            copied.append(f"{folder}/")
            if not any(path.startswith(f"{folder}/") for path in files):
                found.append(_missing(document, pointer, step, folder))
    return found, tuple(copied)


def _steps(definition: Definition) -> Iterator[tuple[str, Step]]:
    for phase in PHASES:
        for number, step in enumerate(definition.branch(phase)):
            yield f"/spec/{phase}/{number}", step


def _missing(document: Document, pointer: str, step: Step, folder: str) -> Finding:
    """A warning while somebody writes; it stops publication, as a marked step does."""
    said = f"{step.id} copies {folder}/, which is not in the bundle."
    mend = "Put the folder beside procedure.yaml; until then the version cannot be submitted."
    return Finding(FILE, *document.where(f"{pointer}/input"), "folder-missing", "warning", said, mend)


def _gates(definition: Definition, document: Document, actions: Mapping[str, Action]) -> Iterator[Finding]:
    """The workspace lies with one runner, and a gate lets go of it."""
    used = [actions.get(step.action) for step in definition.steps]
    sharing = [number for number, action in enumerate(used) if action is not None and action.shares_files]
    for number, action in enumerate(used):
        if action is not None and action.gate and sharing and sharing[0] < number < sharing[-1]:
            where = document.where(f"/spec/steps/{number}/action")
            said = "A gate may not stand between steps that share files."
            yield Finding(FILE, *where, "gate-in-workspace", "error", said, "Put the gate before or after them.")
