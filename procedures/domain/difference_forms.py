"""What a requester may now fill in: parameters and secrets, keyword by keyword of their JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from procedures.domain import forms
from procedures.domain.difference import Difference, Note, by_amount, by_set, told, words

Schema = Mapping[str, Any]
ANYTHING = re.compile(r"^\^?(\.|\(\.\)|\[\^\]|\[\\s\\S\])?[*+]?\$?$")
CEILINGS = {"maximum": "", "exclusiveMaximum": "", "maxLength": " characters", "maxItems": " items"}
FLOORS = {"minimum": "", "exclusiveMinimum": "", "minLength": " characters", "minItems": " items"}
WORDING = ("title", "description", "examples", "$comment", "deprecated")
READ = {*CEILINGS, *FLOORS, "type", "enum", "const", "pattern", "format", "default", "items", "properties", "required"}
READ |= {"additionalProperties", *WORDING}


def rows(area: str, before: Schema, after: Schema) -> Iterator[Difference]:
    """One row per field that was added, removed or changed, one for conditions, or one that says all is the same."""
    old, new = forms.every_property(before), forms.every_property(after)
    was, now = set(before.get("required") or ()), set(after.get("required") or ())
    found = False
    for name in dict.fromkeys((*old, *new)):
        notes = list(_field(name, old, new, was, now))
        if notes:
            found = True
            yield told(area, name, _text(old.get(name), name in was), _text(new.get(name), name in now), notes)
    conditions = [{key: side[key] for key in forms.CONDITIONS if key in side} for side in (before, after)]
    if conditions[0] != conditions[1]:
        found = True
        yield told(
            area, "conditions", words(conditions[0]), words(conditions[1]), [("changed", "the form's conditions")]
        )
    if not found and (old or new):
        yield told(area, "all", _count(old), _count(new), [])


def _count(fields: Schema) -> str:
    return f"{len(fields)} field{'' if len(fields) == 1 else 's'}"


def _field(name: str, old: Schema, new: Schema, was: set[str], now: set[str]) -> Iterator[Note]:
    if name not in old:
        yield ("wider", "a new value that the requester chooses")
    elif name not in new:
        yield ("narrower", "the requester chooses it no more")
    else:
        yield from _schema(old[name], new[name])
        if (name in was) != (name in now):
            yield ("wider", "it may now be left out") if name in was else ("narrower", "it must now be given")


def _schema(old: Any, new: Any, where: str = "") -> Iterator[Note]:
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        if old != new:
            yield (
                ("wider", f"{where}may now be anything")
                if new is True or new is None
                else ("changed", f"{where}changed")
            )
        return
    yield from _type(old, new, where)
    yield from _choices(old, new, where)
    yield from _texts(old, new, where)
    for key, unit in CEILINGS.items():
        yield from _limit(key, unit, old, new, where, lambda a, b: by_amount(a, b, "more", "less"))
    for key, unit in FLOORS.items():
        yield from _limit(key, unit, old, new, where, _floor)
    if old.get("default") != new.get("default"):
        yield ("changed", f"{where}left out, it is now {words(new['default']) if 'default' in new else 'absent'}")
    if "items" in old or "items" in new:
        yield from _schema(old.get("items"), new.get("items"), f"{where}each item ")
    yield from _inside(old, new, where)
    rest = sorted(key for key in {*old, *new} - READ if old.get(key) != new.get(key) and not key.startswith("ui:"))
    if rest:
        yield ("changed", f"{where}{', '.join(rest)} changed")


def _type(old: Schema, new: Schema, where: str) -> Iterator[Note]:
    before, after = old.get("type"), new.get("type")
    if before == after:
        return
    if after is None:
        yield ("wider", f"{where}may now be anything")
        return
    if before is None:
        yield ("narrower", f"{where}must now be {_types(after)}")
        return
    one, two = _list(before), _list(after)
    yield from by_set(one, two, f"{where}may now also be", f"{where}may no longer be")


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _types(value: Any) -> str:
    return " or ".join(_list(value))


def _choices(old: Schema, new: Schema, where: str) -> Iterator[Note]:
    before, after = _allowed(old), _allowed(new)
    if before == after:
        return
    if after is None:
        yield ("wider", f"{where}no longer from a list: may now be anything that fits")
    elif before is None:
        yield ("narrower", f"{where}only one of a list now")
    else:
        yield from by_set(before, after, f"{where}may now also be", f"{where}may no longer be")


def _allowed(schema: Schema) -> list[str] | None:
    if "const" in schema:
        return [words(schema["const"])]
    return [words(value) for value in schema["enum"]] if isinstance(schema.get("enum"), list) else None


def _texts(old: Schema, new: Schema, where: str) -> Iterator[Note]:
    before, after = old.get("pattern"), new.get("pattern")
    if before != after:
        if after is None or ANYTHING.match(str(after)):
            yield ("wider", f"{where}may now be any text")
        elif before is None or ANYTHING.match(str(before)):
            yield ("narrower", f"{where}must now fit a pattern")
        else:
            yield ("changed", f"{where}another pattern: read both")
    one, two = old.get("format"), new.get("format")
    if one != two and two is None:
        yield ("wider", f"{where}need no longer have the format {one}")
    elif one != two:
        yield ("narrower" if one is None else "changed", f"{where}must now have the format {two}")


def _floor(before: float | None, after: float | None) -> list[Note]:
    return by_amount(None if before is None else -before, None if after is None else -after, "more", "less")


def _limit(
    key: str,
    unit: str,
    old: Schema,
    new: Schema,
    where: str,
    judge: Callable[[float | None, float | None], list[Note]],
) -> Iterator[Note]:
    before, after = old.get(key), new.get(key)
    for effect, _ in judge(before, after):
        told_ = f"{key} {before}{unit} is now {after}{unit}" if before is not None else f"{key} is now {after}{unit}"
        yield (effect, where + (f"{key} of {before}{unit} no longer holds" if after is None else told_))


def _inside(old: Schema, new: Schema, where: str) -> Iterator[Note]:
    before, after = old.get("properties") or {}, new.get("properties") or {}
    yield from by_set(before, after, f"{where}may now hold", f"{where}holds no more")
    for name in before.keys() & after.keys():
        yield from _schema(before[name], after[name], f"{where}{name}: ")
    yield from by_set(
        new.get("required") or (), old.get("required") or (), f"{where}may now lack", f"{where}must now hold"
    )
    shut = [schema.get("additionalProperties", True) is False for schema in (old, new)]
    if shut[0] != shut[1]:
        yield ("wider", f"{where}may now hold any other name") if shut[0] else ("narrower", f"{where}no other names")


def _text(schema: Any, required: bool) -> str:
    """A field's rules in one line; nothing for a field that is not there."""
    if schema is None:
        return ""
    if not isinstance(schema, Mapping):
        return words(schema)
    rules = {k: v for k, v in schema.items() if k not in {"type", *WORDING} and not str(k).startswith("ui:")}
    kind = _types(schema["type"]) if "type" in schema else "anything"
    parts = [kind, *(f"{key} {words(value)}" for key, value in rules.items())]
    return ", ".join([*parts, "required"] if required else parts)
