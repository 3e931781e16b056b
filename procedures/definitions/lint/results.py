"""Secret results: made by one step, read by no other, sent only with a credential that is declared for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.domain import results
from procedures.domain.calls import CALL
from procedures.domain.ports import Action
from procedures.domain.results import ResultNeed


def lint(notes: Notes, actions: Mapping[str, Action]) -> None:
    needs = results.of(notes.definition)
    for need in needs:
        pointer = f"/spec/output/secrets/{need.name}"
        _source(notes, pointer, need, actions)
        if need.deliver in results.SENT:
            _place(notes, pointer, need, actions)
        elif need.deliver == "once" and not 60 <= need.keep_s <= results.LONGEST_ONCE_S:
            notes.say(f"{pointer}/expires", "secret-result", "It waits for a minute at least, for 7 days at most.")
    _read_elsewhere(notes, needs)


def _source(notes: Notes, pointer: str, need: ResultNeed, actions: Mapping[str, Action]) -> None:
    step = next((one for one in notes.definition.steps if one.id == need.step), None)
    action = actions.get(step.action) if step else None
    if step is None:
        told = f"{need.step} is none of the steps; rollback, onCancel and always make no results."
        notes.say(f"{pointer}/value", "secret-result", told)
    elif action is not None and (action.gate or action.shares_files or step.action == CALL):
        notes.say(
            f"{pointer}/value", "secret-result", f"{step.action} makes no secret: what it gives is shown elsewhere."
        )


def _place(notes: Notes, pointer: str, need: ResultNeed, actions: Mapping[str, Action]) -> None:
    known = notes.definition.credentials.get(need.credential)
    if known is None:
        told = f"The credential {need.credential} is not declared."
        notes.say(f"{pointer}/credential", "undeclared-credential", told)
    elif known.kind != need.deliver:
        told = f"A result goes to {need.deliver} with a credential of that kind; {known.name} is {known.kind}."
        notes.say(f"{pointer}/credential", "credential-kind", told)
    for key, value in need.place.items():
        if any(path[0] not in results.EARLY for path in notes.names(f"{pointer}/{key}", value)):
            told = "Where a result goes depends on parameters, environment and run alone: it is approved."
            notes.say(f"{pointer}/{key}", "secret-result", told)
    step = next((one for one in notes.definition.steps if one.id == need.step), None)
    action = actions.get(step.action) if step else None
    if step is not None and (step.each is not None or (action is not None and action.per_target)):
        notes.say(f"{pointer}/value", "secret-result", f"{step.id} makes several, and one would lie over the other.")


def _read_elsewhere(notes: Notes, needs: tuple[ResultNeed, ...]) -> None:
    """What is handed over is kept for nobody else: another reader would find nothing, or have it shown."""
    secret = {("steps", need.step, "output", need.output) for need in needs}
    secret |= {("steps", step.id, "output", name) for _, step in placed(notes.definition) for name in step.sensitive}
    for pointer, value in _readers(notes):
        for path in sorted(notes.names(pointer, value)):
            if path[:4] in secret or any(path == one[: len(path)] and len(path) > 1 for one in secret):
                notes.say(pointer, "secret-place", f"{'.'.join(path)} is secret: no expression reads it.")


def _readers(notes: Notes) -> Iterator[tuple[str, Any]]:
    for pointer, step in placed(notes.definition):
        for key, value in step.input.items():
            yield f"{pointer}/input/{key}", value
        yield f"{pointer}/if", step.condition or ""
    for key in ("links", "values"):
        yield f"/spec/output/{key}", notes.definition.output.get(key) or {}
