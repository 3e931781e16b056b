"""Which fields a form has, given what was filled in so far: conditions of JSON Schema 2020-12, as forms use them.

`dependencies` of older drafts, which Backstage's templates use, are rewritten to `dependentSchemas` and
`dependentRequired` when a definition is read, so that one dialect is validated everywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

Schema = Mapping[str, Any]
ROUNDS = 20
_LISTS = ("allOf", "anyOf", "oneOf")
_ONES = ("if", "then", "else", "not", "items", "contains", "additionalProperties", "propertyNames")
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
CONDITIONS = ("if", "then", "else", *_LISTS, "dependentSchemas", "dependentRequired")


def modern(schema: Any) -> Any:
    """The same schema in 2020-12: `dependencies` split by kind, in every subschema."""
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _LISTS and isinstance(value, list):
            found[key] = [modern(item) for item in value]
        elif key in _ONES:
            found[key] = modern(value)
        elif key in _MAPS and isinstance(value, Mapping):
            found[key] = {name: modern(item) for name, item in value.items()}
        elif key != "dependencies":
            found[key] = value
    older = schema.get("dependencies")
    for name, item in (older if isinstance(older, Mapping) else {}).items():
        kind = "dependentRequired" if isinstance(item, list) else "dependentSchemas"
        found[kind] = {**found.get(kind, {}), name: modern(item)}
    return found


def active(schema: Schema, value: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(properties, required) that count for this value: those always there, and those that conditions bring in."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in _parts(schema, value):
        for name, rules in (part.get("properties") or {}).items():
            known = properties.get(name)
            properties[name] = rules if known is None or _is_narrowing(known) else known
        required += [name for name in part.get("required") or [] if name not in required]
        for name, more in (part.get("dependentRequired") or {}).items():
            if name in value:
                required += [other for other in more if other not in required]
    return properties, required


def _parts(schema: Schema, value: Mapping[str, Any], above: frozenset[str] = frozenset()) -> Iterator[Schema]:
    """The schema and every subschema that applies to this value. `above` are the fields asked further up."""
    yield schema
    known = above | set(schema.get("properties") or {})
    for part in schema.get("allOf") or []:
        yield from _parts(part, value, known)
    for key in ("oneOf", "anyOf"):
        if chosen := branch(schema.get(key) or [], value, known):
            yield from _parts(chosen, value, known)
    for name, part in (schema.get("dependentSchemas") or {}).items():
        if name in value and isinstance(part, Mapping):
            yield from _parts(part, value, known)
    if isinstance(schema.get("if"), Mapping):
        part = schema.get("then" if fits(schema["if"], value) else "else")
        if isinstance(part, Mapping):
            yield from _parts(part, value, known)


def branch(branches: list[Schema], value: Mapping[str, Any], known: frozenset[str]) -> Schema | None:
    """The branch whose constants for fields asked further up are the value's; without any, the one that fits whole."""
    told = [b for b in branches if _constants(b, known)]
    for one in told:
        if all(name in value and value[name] in allowed for name, allowed in _constants(one, known).items()):
            return one
    if told:
        return None
    return next((b for b in branches if isinstance(b, Mapping) and fits(b, value)), None)


def _constants(schema: Any, known: frozenset[str]) -> dict[str, list[Any]]:
    rows = (schema.get("properties") or {}) if isinstance(schema, Mapping) else {}
    return {
        name: [rules["const"]] if "const" in rules else list(rules["enum"])
        for name, rules in rows.items()
        if isinstance(rules, Mapping) and name in known and ("const" in rules or "enum" in rules)
    }


def _is_narrowing(rules: Any) -> bool:
    """Whether a property only says which value is meant, and not what it is."""
    return isinstance(rules, Mapping) and not set(rules) - {"const", "enum"}


def fits(schema: Schema, value: Mapping[str, Any]) -> bool:
    try:
        return bool(jsonschema_rs.validator_for(dict(schema), offline=True).is_valid(dict(value)))
    except (jsonschema_rs.ValidationError, ValueError):
        return False


def with_defaults(schema: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with every default that applies, until nothing more is brought in by one."""
    value = copy.deepcopy(dict(given))
    for _ in range(ROUNDS):
        before = set(value)
        for name, rules in active(schema, value)[0].items():
            if not isinstance(rules, Mapping):
                continue
            if name not in value and "default" in rules:
                value[name] = copy.deepcopy(rules["default"])
            elif isinstance(value.get(name), dict) and rules.get("properties"):
                value[name] = with_defaults(rules, value[name])
        if set(value) == before:
            break
    return value


def every_property(schema: Any) -> dict[str, Any]:
    """Each property that may ever stand at the top of a form, whatever is filled in."""
    found: dict[str, Any] = {}
    if not isinstance(schema, Mapping):
        return found
    for name, rules in (schema.get("properties") or {}).items():
        if name not in found or _is_narrowing(found[name]):
            found[name] = rules
    below = [part for key in _LISTS for part in schema.get(key) or []]
    below += [schema[key] for key in ("then", "else") if key in schema]
    below += list((schema.get("dependentSchemas") or {}).values())
    for part in below:
        for name, rules in every_property(part).items():
            if name not in found or _is_narrowing(found[name]):
                found[name] = rules
    return found


def is_open(schema: Any) -> bool:
    """Whether some part of a form lets names in that nobody declared."""
    if not isinstance(schema, Mapping):
        return False
    if any(schema.get(key, False) is not False for key in ("additionalProperties", "unevaluatedProperties")):
        return True
    below = [part for key in _LISTS for part in schema.get(key) or []]
    below += [schema[key] for key in ("then", "else") if key in schema]
    below += list((schema.get("dependentSchemas") or {}).values())
    return bool(schema.get("patternProperties")) or any(is_open(part) for part in below)


def is_conditional(schema: Schema) -> bool:
    return any(key in schema for key in CONDITIONS)
