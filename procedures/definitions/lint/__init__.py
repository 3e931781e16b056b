"""Findings beyond the shape: what would run must be readable, declared, and free of text that becomes program."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document
from procedures.definitions.lint import (
    alarms,
    fetched,
    flow,
    forms,
    infrastructure,
    names,
    own_secrets,
    programs,
    results,
    sandbox,
    shared_files,
    steps,
    texts,
)
from procedures.definitions.lint import tools as other_tools
from procedures.definitions.lint.notes import Notes
from procedures.domain.definition import Definition
from procedures.domain.ports import Action

BLOCKS = frozenset({steps.MARKED_STEP, shared_files.MISSING})
ROOMS = (flow.lint, alarms.lint, forms.lint, names.lint, texts.lint, programs.lint, fetched.lint, infrastructure.lint)


def lint(
    definition: Definition,
    document: Document,
    files: Mapping[str, bytes],
    actions: Mapping[str, Action],
    *,
    tools: Collection[str] = (),
) -> list[Finding]:
    """Every finding about a definition that has the right shape. `tools`: which other checkers to ask too."""
    notes = Notes(definition, document, files)
    steps.lint(notes, actions)
    shared_files.lint(notes, actions)
    sandbox.lint(notes, actions)
    own_secrets.lint(notes, actions)
    results.lint(notes, actions)
    for room in ROOMS:
        room(notes)
    other_tools.lint(notes, tools)
    return list(dict.fromkeys(notes.findings))


__all__ = ["BLOCKS", "lint"]
