"""Whether the actions of other packages that a run uses were let in by a control change, as the log says (H4)."""

from __future__ import annotations

from collections.abc import Sequence

from procedures.definitions import registry
from procedures.domain.definition import PHASES, Definition
from procedures.evidence.queries import allowed_actions


def refusal(definitions: Sequence[Definition]) -> str:
    """Why these may not run here, or "": each action is ours, or let in with the very bytes that lie here."""
    marks = registry.action_marks()
    used = {step.action for one in definitions for phase in PHASES for step in one.branch(phase)}
    others = {action: marks.get(action, "") for action in used if not registry.is_ours(marks.get(action, ""))}
    allowed = allowed_actions() if others else {}
    for action, mark in sorted(others.items()):
        if allowed.get(action) != mark:
            return f"{action} comes from another package, and no confirmed change lets {mark or 'it'} in."
    return ""
