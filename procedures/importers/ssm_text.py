"""`{{ … }}` of SSM documents: what each names, as an expression of ours and as a variable for a step."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.rendering import variable
from procedures.importers.folder import harmless

REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
AT_RUN_TIME = {
    "automation:EXECUTION_ID",
    "global:DATE",
    "global:DATE_TIME",
    "global:REGION",
    "global:ACCOUNT_ID",
    "global:AWS_PARTITION",
}
OF_AWS = {"global:REGION", "global:ACCOUNT_ID", "global:AWS_PARTITION"}
_IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
_WORDS = {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"}


@dataclass(slots=True)
class Names:
    """What may be named: parameters with their types, and outputs (name → type) of steps that have an id here."""

    parameters: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    steps: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)

    def expression(self, name: str) -> str | None:
        """The inside of a `${{ }}` with the same value, or None where there is none."""
        if name in self.late:
            return f"({_item('parameters', name)} | default({self.late[name]}))"
        if name in self.parameters:
            return _item("parameters", name)
        if name == "automation:EXECUTION_ID":
            return "run.id"
        step, _, output = name.partition(".")
        if step in self.steps and output in self.steps[step][1] and not output.startswith("_"):
            return _item(_item("steps", self.steps[step][0]) + ".output", output)
        return None

    def kind(self, name: str) -> str:
        """String, StringList, Integer, Boolean, StringMap or MapList."""
        step, _, output = name.partition(".")
        return self.parameters.get(name) or self.steps.get(step, ("", {}))[1].get(output, "String")

    def needs_variable(self, name: str) -> bool:
        """Whether a step is handed the value, since its runtime cannot find it by itself."""
        return name not in AT_RUN_TIME

    def problem(self, value: Any) -> str:
        """The first name in a value that nothing here has, told in a sentence, or an empty text."""
        for name in references(value):
            if name not in AT_RUN_TIME and self.expression(name) is None:
                return f"Nothing here is called {harmless(name)[:100]}."
        return ""

    def variables(self, value: Any) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """(env, values) for a step's runtime: expressions by variable, and which name each variable has."""
        env: dict[str, str] = {}
        values: dict[str, dict[str, str]] = {}
        for name in references(value):
            inside = self.expression(name)
            if inside is not None and name not in values and self.needs_variable(name):
                key = f"SSM_VALUE_{len(values) + 1}"
                env[key] = f"${{{{ {inside} }}}}"
                values[name] = {"env": key, "type": self.kind(name)}
        return env, values

    def text(self, value: str) -> str | None:
        """A text with expressions of ours; None if it names something that has none."""
        found, end = "", 0
        for match in REFERENCE.finditer(value):
            inside = self.expression(match[1])
            if inside is None:
                return None
            found += harmless_piece(value[end : match.start()]) + f"${{{{ {inside} }}}}"
            end = match.end()
        return found + harmless_piece(value[end:])


def harmless_piece(text: str) -> str:
    """A piece of a text as `harmless` leaves it, blanks at its ends kept."""
    inner = text.strip()
    start = len(text) - len(text.lstrip())
    return text[:start] + harmless(inner) + text[start + len(inner) :] if inner else text


def references(value: Any) -> Iterator[str]:
    """Every name in a value, keys of mappings excepted."""
    if isinstance(value, str):
        yield from (match[1] for match in REFERENCE.finditer(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def literal(value: Any) -> str:
    """A text, number or truth as it stands in an expression."""
    return json.dumps(value, ensure_ascii=False)


def concatenated(text: str) -> str | None:
    """A text that names the execution's id alone, as an expression; None for any other text with names."""
    parts, end = [], 0
    for match in REFERENCE.finditer(text):
        if match[1] != "automation:EXECUTION_ID":
            return None
        parts += [literal(text[end : match.start()]), "run.id"]
        end = match.end()
    parts.append(literal(text[end:]))
    return " ~ ".join(part for part in parts if part != '""')


def environment_name(parameter: str) -> str:
    return variable(parameter)


def _item(holder: str, name: str) -> str:
    if _IDENTIFIER.match(name) and name not in _WORDS:
        return f"{holder}.{name}"
    return f"{holder}[{literal(name)}]"
