"""Whether a procedure that asks for a strong sandbox runs anything in one."""

from __future__ import annotations

from collections.abc import Mapping

from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.domain.calls import CALL
from procedures.domain.ports import Action


def lint(notes: Notes, actions: Mapping[str, Action]) -> None:
    """A call may lead to steps in the sandbox, and an unknown action is told elsewhere."""
    if not notes.definition.min_tier:
        return
    known = [actions[step.action] for _, step in placed(notes.definition) if step.action in actions]
    if known and not any(action.sandboxed or action.id == CALL for action in known):
        told = f"Tier {notes.definition.min_tier} is asked for, and no step starts a program on the runner's host."
        notes.say("/spec/sandbox", "unused-tier", told)
