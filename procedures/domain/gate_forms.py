"""The form of a gate that asks: small, typed and bounded, so that an approver knows what an answer can be (rule 19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import parameters

MOST = 20
LONGEST = 2_000
KEYS = frozenset({"title", "description", "properties", "required", "ui:order"})


def schema(form: Mapping[str, Any]) -> dict[str, Any]:
    """The closed schema that an answer is checked against."""
    return {"type": "object", "additionalProperties": False, "required": [], **form}


def problems(form: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Why a form cannot stand at a gate, by JSON pointer."""
    asked = form.get("properties")
    if not isinstance(asked, Mapping) or not 1 <= len(asked) <= MOST:
        return [("/form/properties", f"A gate asks for one to {MOST} values.")]
    found = [(f"/form/{key}", "has no place in the form of a gate.") for key in sorted(set(form) - KEYS)]
    for name, rules in asked.items():
        if why := _unbounded(rules if isinstance(rules, Mapping) else {}):
            found.append((f"/form/properties/{name}", why))
    if not found and (why := parameters.check_schema(schema(form))):
        found.append(("/form", f"The form's JSON Schema cannot be used: {why[:200]}"))
    return found


def _unbounded(rules: Mapping[str, Any]) -> str:
    """Why a value could be anything, or nothing."""
    kind, choices = rules.get("type"), rules.get("enum")
    if "options" in rules or rules.get("format") == "data-url" or rules.get("writeOnly"):
        return "Neither lists from elsewhere, nor files, nor secrets are asked for at a gate."
    if kind not in {"string", "integer", "number", "boolean"}:
        return "Each value has a type: string, integer, number or boolean."
    if kind == "boolean" or (isinstance(choices, list) and choices):
        return ""
    if kind == "string":
        longest = rules.get("maxLength")
        fits = isinstance(longest, int) and longest <= LONGEST
        return "" if fits else f"A text has an enum, or a maxLength of at most {LONGEST:,}."
    ends = [rules.get("minimum", rules.get("exclusiveMinimum")), rules.get("maximum", rules.get("exclusiveMaximum"))]
    return "" if None not in ends else "A number has a minimum and a maximum, or an enum."
