"""Parameters: checked against the author's JSON Schema, defaults applied, types kept, never program text."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import jsonschema_rs

from procedures.domain import forms, limits
from procedures.domain.canonical import LIMIT
from procedures.domain.errors import InvalidInput
from procedures.domain.shape_errors import told

MAX_BYTES = limits.PARAMETERS_BYTES
MAX_STRING = limits.STRING_BYTES
UNSAID = "the value"


def resolve(
    schema: Mapping[str, Any], given: Any, *, prefix: str = "/parameters", secret: bool = False
) -> dict[str, Any]:
    """What the procedure will see: `given` with defaults, every value checked; a problem repeats no `secret` value.

    Numbers that are not whole stay floats and appear in a plan as decimal text. Raises InvalidInput with
    JSON pointers under `prefix`.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput([(prefix, "must be an object")])
    problems = _limits(given, prefix)
    if problems:
        raise InvalidInput(problems)
    value = forms.with_defaults(schema, given)
    properties, required = forms.active(schema, value)
    for shape in ({"properties": properties, "required": required}, schema):
        for error in _validator(shape, mask=UNSAID if secret else None).iter_errors(value):
            problems += _problem(error, prefix)
        if problems:
            raise InvalidInput(problems)
    return value


def _validator(schema: Mapping[str, Any], *, mask: str | None = None) -> Any:
    closed = {**schema, "type": "object", "unevaluatedProperties": False}
    closed.pop("additionalProperties", None)
    return jsonschema_rs.validator_for(
        closed, mask=mask, validate_formats=True, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )


def check_schema(schema: Mapping[str, Any]) -> str:
    """Why a schema cannot be used, or an empty string."""
    try:
        _validator(schema)
    except (jsonschema_rs.ValidationError, ValueError) as problem:
        return str(getattr(problem, "message", problem))
    return ""


def _problem(error: Any, prefix: str) -> list[tuple[str, str]]:
    path = prefix + "".join(f"/{_escaped(part)}" for part in error.instance_path)
    kind = error.kind
    name = str(getattr(kind, "name", "") or "")
    if name == "required":
        return [(f"{path}/{_escaped(kind.property)}", "is required")]
    if name in {"additionalProperties", "unevaluatedProperties"}:
        return [(f"{path}/{_escaped(key)}", "is not a parameter of this procedure") for key in kind.unexpected]
    return [(path, told(error))]


def _escaped(part: Any) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _limits(given: Any, prefix: str) -> list[tuple[str, str]]:
    try:
        size = len(json.dumps(given, ensure_ascii=True))
    except (TypeError, ValueError, RecursionError):
        return [(prefix, "is not plain JSON")]
    if size > MAX_BYTES:
        return [(prefix, f"is {size:,} bytes; the limit is {MAX_BYTES:,}")]
    return _texts(given, prefix)


def _texts(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(path, why)] if (why := text_problem(value)) else []
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LIMIT:
        return [(path, "is outside ±2**53")]
    if isinstance(value, float) and not math.isfinite(value):
        return [(path, "is not a number")]
    if isinstance(value, Mapping):
        keys = [(f"{path}/{_escaped(k)}", why) for k in value if (why := text_problem(str(k)))]
        return keys + [p for k, v in value.items() for p in _texts(v, f"{path}/{_escaped(k)}")]
    if isinstance(value, list | tuple):
        return [p for i, v in enumerate(value) for p in _texts(v, f"{path}/{i}")]
    return []


def text_problem(value: str) -> str:
    """Why a text cannot be passed on, or an empty string."""
    if "\x00" in value:
        return "contains a NUL character, which no program can be handed"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "contains a lone surrogate, which is not text"
    return f"is {size:,} bytes; a text holds at most {MAX_STRING:,}" if size > MAX_STRING else ""


def check_constraint(
    constraint: Mapping[str, Any], resolved: Mapping[str, Any], *, free: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Problems of resolved parameters against a grant's constraint (H8).

    Every property that the constraint names is required, at every depth, and a parameter that it does not name must
    be absent. Those in `free` may hold anything.
    """
    resolved = {name: value for name, value in resolved.items() if name not in free}
    named = constraint.get("properties") or {}
    problems = [
        (f"/parameters/{_escaped(n)}", "your grant limits it, so it must be given") for n in named if n not in resolved
    ]
    problems += [(f"/parameters/{_escaped(n)}", "your grant does not cover it") for n in resolved if n not in named]
    shape = {**constraint, "properties": {name: _demanding(rules) for name, rules in named.items()}}
    shape.pop("additionalProperties", None)
    for error in _validator(shape).iter_errors(dict(resolved)):
        problems += _problem(error, "/parameters")
    return problems


def _demanding(schema: Any) -> Any:
    """The same schema, in which every property that an object names must be there (H8)."""
    if not isinstance(schema, Mapping) or not isinstance(schema.get("properties"), Mapping):
        return schema
    rows = {name: _demanding(rules) for name, rules in schema["properties"].items()}
    return {**schema, "properties": rows, "required": sorted({*rows, *schema.get("required", ())})}
