"""What the requester is asked, and what the folder owes its readers: forms, README, tests, evidence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procedures.definitions.lint.notes import FILE, Notes
from procedures.domain import forms, options, parameters, rendering, retention, uploads


def lint(notes: Notes) -> None:
    for label, schema in (("parameters", notes.definition.parameters), ("secrets", notes.definition.secrets)):
        if schema and (problem := parameters.check_schema(schema)):
            notes.say(f"/spec/{label}", "form", f"The form's JSON Schema cannot be used: {problem[:200]}")
        else:
            _form(notes, label, schema)
    _uploads(notes)
    _folder(notes)
    _retention(notes)


def _form(notes: Notes, label: str, schema: Mapping[str, object]) -> None:
    for told in options.problems(schema):
        notes.say(f"/spec/{label}", "options", told)
    if forms.is_open(schema):
        notes.say(f"/spec/{label}", "open-form", "A form holds declared names alone; none may be left open.")
    variables: dict[str, str] = {}
    for name, value in forms.every_property(schema).items():
        variable = rendering.variable(name)
        if variable in variables:
            told = f"{name} and {variables[variable]} become {variable}."
            notes.say(_place(notes, label, name), "name-collision", told)
        variables[variable] = name
        if not isinstance(value, Mapping) or not (value.get("description") or value.get("title")):
            told = f"The parameter {name} has no title or description."
            notes.say(_place(notes, label, name), "undescribed", told)


def _place(notes: Notes, label: str, name: str) -> str:
    """Where a property stands: in a form, in one of its pages, or in a condition, which is said of the form."""
    end = f"/properties/{name}"
    root = f"/spec/{label}"
    found = [p for p in notes.document.marks if p.startswith(root) and p.endswith(end)]
    return min(found, key=len, default=root)


def _uploads(notes: Notes) -> None:
    handed = uploads.file_parameters(notes.definition.parameters)
    if handed and any(path.startswith(f"{uploads.FOLDER}/") for path in notes.files):
        notes.say("/spec/parameters", "uploads", f"{uploads.FOLDER}/ is kept for file parameters.")


def _folder(notes: Notes) -> None:
    if "README.md" not in notes.files:
        notes.say("", "no-readme", "There is no README.md beside the procedure.")
    if not any(re.fullmatch(r"tests/[^/]+\.ya?ml", path) for path in notes.files):
        notes.say("", "no-tests", "There is no test in tests/.")
    if not re.search(rb"^ {0,2}timeout:", notes.files[FILE], re.MULTILINE):
        notes.say("/spec", "no-run-timeout", "The run has no timeout; an hour holds.")


def _retention(notes: Notes) -> None:
    if told := retention.too_short(notes.definition.evidence, retention.FLOOR_DAYS):
        notes.say("/spec/evidence/retention", "retention", f"{told}.")
