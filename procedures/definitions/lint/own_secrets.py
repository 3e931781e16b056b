"""Secrets that steps name themselves: only a step that runs something makes any, and it must say so."""

from __future__ import annotations

import json
from collections.abc import Mapping

from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.domain.calls import CALL
from procedures.domain.made_secrets import MARK
from procedures.domain.ports import Action


def lint(notes: Notes, actions: Mapping[str, Action]) -> None:
    steps = list(placed(notes.definition))
    for pointer, step in steps:
        action = actions.get(step.action)
        if action is not None and (action.gate or action.shares_files or step.action == CALL):
            for key, said in (("makesSecrets", step.makes_secrets), ("sensitive", step.sensitive)):
                if said:
                    notes.say(f"{pointer}/{key}", "secret-result", f"{step.action} makes no secret.")
        if not step.makes_secrets and MARK.decode() in json.dumps(dict(step.input), default=str):
            notes.say(f"{pointer}/input", "secret-undeclared", f"{step.id} names a secret and does not declare it.")
    if any(step.makes_secrets for _, step in steps):
        return
    for path, content in notes.programs():
        if MARK in content and not path.endswith((".md", ".yaml", ".yml")):
            line = content[: content.index(MARK)].count(b"\n") + 1
            notes.at(path, line, 1, "secret-undeclared", "It names a secret, and no step declares makesSecrets.")
