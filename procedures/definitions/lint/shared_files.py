"""Findings about steps that share a workspace: folders that they copy, and gates between them."""

from __future__ import annotations

from collections.abc import Mapping

from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.domain.ports import Action

MISSING = "folder-missing"


def lint(notes: Notes, actions: Mapping[str, Action]) -> None:
    """Also tells `notes` how the paths begin of files that steps hand on and never run."""
    _gates(notes, actions)
    copied: list[str] = []
    for pointer, step in placed(notes.definition):
        for folder in actions[step.action].copies(step.input) if step.action in actions else ():
            copied.append(f"{folder}/")
            if not any(path.startswith(f"{folder}/") for path in notes.files):
                told = f"{step.id} copies {folder}/, which is not in the bundle."
                notes.say(f"{pointer}/input", MISSING, told)
    notes.copied = tuple(copied)


def _gates(notes: Notes, actions: Mapping[str, Action]) -> None:
    """The workspace lies with one runner, and a gate lets go of it."""
    used = [actions.get(step.action) for step in notes.definition.steps]
    sharing = [number for number, action in enumerate(used) if action is not None and action.shares_files]
    for number, action in enumerate(used):
        if action is not None and action.gate and sharing and sharing[0] < number < sharing[-1]:
            told = "A gate may not stand between steps that share files."
            notes.say(f"/spec/steps/{number}/action", "gate-in-workspace", told)
