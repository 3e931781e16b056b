"""A form in the making: questions of other tools as JSON Schema that lint and the form accept, or told why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain import parameters, rendering
from procedures.domain.errors import InvalidInput
from procedures.importers.folder import is_plain

MAX_NAME = 100


@dataclass(slots=True)
class Form:
    """Properties by name, those that must be given, and secrets, which have a schema of their own."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    secrets: dict[str, Any] = field(default_factory=dict)
    secrets_required: list[str] = field(default_factory=list)

    def problem(self, name: str, schema: Mapping[str, Any]) -> str:
        """Why a question cannot be asked under this name, or an empty text."""
        if not name or len(name) > MAX_NAME or not is_plain(name) or not name.isprintable():
            return "Its name cannot be the name of a parameter."
        if rendering.variable(name) in {rendering.variable(other) for other in [*self.properties, *self.secrets]}:
            return f"Another question already becomes {rendering.variable(name)}."
        if not is_plain(dict(schema)):
            return "It holds a character that cannot be seen, or text that lint would stop."
        if told := parameters.check_schema({"properties": {name: schema}}):
            return f"Its rules cannot be used: {told[:150]}"
        return ""

    def ask(self, name: str, schema: Mapping[str, Any], *, required: bool, secret: bool = False) -> None:
        """Add a question. Ask `problem` first."""
        properties, needed = (self.secrets, self.secrets_required) if secret else (self.properties, self.required)
        properties[name] = dict(schema)
        if required:
            needed.append(name)

    def spec(self) -> dict[str, Any]:
        """What of a definition's spec this is."""
        found: dict[str, Any] = {}
        for key, properties, needed in (
            ("parameters", self.properties, self.required),
            ("secrets", self.secrets, self.secrets_required),
        ):
            if properties:
                shape = {**({"required": needed} if needed else {}), "properties": properties}
                found[key] = shape if key == "parameters" else {"schema": shape}
        return found


def usable(schema: Mapping[str, Any]) -> bool:
    """Whether a schema can be used at all, its pattern in particular."""
    return not parameters.check_schema({"properties": {"x": schema}})


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value would be taken by its own question."""
    try:
        parameters.resolve({"type": "object", "properties": {"x": dict(schema)}}, {"x": value})
    except InvalidInput:
        return False
    return is_plain(value)


def whole_number(value: Any) -> int | None:
    """An integer that may be written as text, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else None


def number(value: Any) -> int | float | None:
    """A number that may be written as text, or None."""
    whole = whole_number(value)
    if whole is not None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return whole
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < 2**53 else None
