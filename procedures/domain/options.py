"""Choices that come from elsewhere: an accepted procedure's output, a URL allowed by policy, or the catalogue.

What a procedure or the catalogue gives is a limit that holds when a run is asked for; what a URL gives is a suggestion
(H11, H30). Which list is meant depends on other parameters alone, so that two people who give the same share one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import jsonschema_rs

from procedures.domain import expressions, forms
from procedures.domain.canonical import digest
from procedures.domain.duration import PATTERN, seconds
from procedures.domain.errors import OpsError

From = Literal["procedure", "url", "catalogue"]
MAX_CHOICES = 1_000
MAX_TEXT = 200
TTL_S = {"procedure": 300, "url": 300, "catalogue": 0}
# Backstage's pickers, each with the kinds that it offers where its options do not say.
PICKERS: Mapping[str, tuple[str, ...]] = {
    "EntityPicker": (),
    "EntityNamePicker": (),
    "MultiEntityPicker": (),
    "OwnerPicker": ("Group", "User"),
    "OwnedEntityPicker": (),
    "MyGroupsPicker": ("Group",),
    "EntityTagsPicker": ("Tag",),
    "RepoUrlPicker": (),
    "RepoBranchPicker": (),
    "RepoOwnerPicker": ("Group",),
}
NAME = {"type": "string", "minLength": 1, "maxLength": 200}


def _closed(kind: str, required: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    properties = {"from": {"const": kind}, **required, **more, "ttl": {"type": "string", "pattern": PATTERN}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": ["from", *required],
    }


SCHEMA: Mapping[str, Any] = {
    "oneOf": [
        _closed("procedure", {"procedure": NAME, "output": NAME}, {"with": {"type": "object"}}),
        _closed("url", {"url": {**NAME, "maxLength": 2000}}, {"path": NAME, "value": NAME, "title": NAME}),
        _closed("catalogue", {"kinds": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 10}}, {}),
    ]
}


class OptionsRefused(OpsError):
    """A list that cannot be made: its source is down, not allowed, or says something else than a list."""

    code = "options.refused"
    next_step = "Try again, type the value if the form lets you, or ask the procedure's owner."


@dataclass(frozen=True, slots=True)
class Source:
    """Where one parameter takes its choices from. `raw` is what the author wrote."""

    parameter: str
    kind: From
    raw: Mapping[str, Any]
    ttl_s: int

    @property
    def binds(self) -> bool:
        """Whether a value outside the list is refused."""
        return self.kind != "url"

    @property
    def procedure(self) -> str:
        return str(self.raw.get("procedure", ""))

    def needs(self) -> frozenset[str]:
        """The other parameters on which the list depends."""
        used = expressions.names_used([self.raw.get("with") or {}, self.raw.get("url", "")])
        return frozenset(path[1] for path in used if len(path) > 1 and path[0] == "parameters")


@dataclass(frozen=True, slots=True)
class Choices:
    """A list as it was given, and its digest, which stands in the evidence of each request that used it."""

    values: list[Any]
    titles: list[str]
    digest: str = ""
    cut: bool = field(default=False)


def sources(schema: Mapping[str, Any]) -> dict[str, Source]:
    """Every parameter at the top of a form whose choices come from elsewhere."""
    found: dict[str, Source] = {}
    for name, rules in forms.every_property(schema).items():
        raw = (rules.get("options") or _picked(rules)) if isinstance(rules, Mapping) else None
        if isinstance(raw, Mapping) and str(raw.get("from")) in TTL_S:
            kind: From = raw["from"]
            found[name] = Source(name, kind, raw, seconds(raw["ttl"]) if "ttl" in raw else TTL_S[kind])
    return found


def picker_kinds(rules: Mapping[str, Any]) -> list[str]:
    """The kinds of entity that one of Backstage's pickers offers, as its options or its name say."""
    more = rules.get("ui:options") if isinstance(rules.get("ui:options"), Mapping) else {}
    wanted = (more or {}).get("catalogFilter") or {}
    rows = wanted if isinstance(wanted, list) else [wanted]
    found = [row.get("kind") for row in rows if isinstance(row, Mapping)] + [(more or {}).get("allowedKinds")]
    kinds = [one for kind in found for one in (kind if isinstance(kind, list) else [kind]) if isinstance(one, str)]
    return kinds or list(PICKERS.get(str(rules.get("ui:field")), ()))


def _picked(rules: Mapping[str, Any]) -> dict[str, Any] | None:
    """A picker that takes nothing but entities of some kinds is a list that binds."""
    more = rules.get("ui:options") if isinstance(rules.get("ui:options"), Mapping) else {}
    kinds = picker_kinds(rules) if str(rules.get("ui:field")) in PICKERS else []
    if (more or {}).get("allowArbitraryValues") is not False or not kinds:
        return None
    return {"from": "catalogue", "kinds": kinds}


def problems(schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with the sources of a form, in words. Used by lint."""
    told: list[str] = []
    validator = jsonschema_rs.validator_for(dict(SCHEMA), offline=True)
    every = forms.every_property(schema)
    for name, rules in every.items():
        if isinstance(rules, Mapping):
            told += [f"{name}: options stand at the top of a form alone." for _ in _nested(rules)]
            if "options" in rules and not validator.is_valid(rules["options"]):
                told.append(f"{name}: options name a procedure and its output, a url, or kinds of the catalogue.")
    if told:
        return told
    known = sources(schema)
    for name, source in known.items():
        used = expressions.names_used([source.raw.get("with") or {}, source.raw.get("url", "")])
        if any(path[0] not in {"parameters", "environment"} for path in used):
            told.append(f"{name}: its choices may depend on parameters and environment alone.")
        told += [f"{name}: there is no parameter {other}." for other in sorted(source.needs() - set(every))]
        if _circular(name, known):
            told.append(f"{name}: its choices depend on themselves.")
    return told


def _nested(rules: Mapping[str, Any]) -> list[Any]:
    """Options that stand deeper than at the top."""
    below = [rules.get("items"), *(rules.get("properties") or {}).values()]
    found = [one for one in below if isinstance(one, Mapping) and "options" in one]
    return found + [deep for one in below if isinstance(one, Mapping) for deep in _nested(one)]


def _circular(name: str, known: Mapping[str, Source]) -> bool:
    seen: set[str] = set()
    left = set(known[name].needs())
    while left:
        other = left.pop()
        if other == name:
            return True
        if other not in seen and other in known:
            left |= known[other].needs()
        seen.add(other)
    return False


def asked(source: Source, parameters: Mapping[str, Any], environment: str) -> dict[str, Any] | None:
    """What the source is asked with, or None while a parameter that it needs is not given."""
    if any(parameters.get(name) in (None, "") for name in source.needs()):
        return None
    scope = {"parameters": dict(parameters), "environment": environment}
    if source.kind == "procedure":
        return {"with": expressions.render(dict(source.raw.get("with") or {}), scope)}
    if source.kind == "url":
        from procedures.domain.rendering import render_url

        return {"url": render_url(str(source.raw["url"]), scope)}
    return {"kinds": list(source.raw["kinds"])}


def key(source: Source, question: Mapping[str, Any], *, digest_of: str, environment: str) -> str:
    """The name of a list: neutral as to who asks, so that whoever has the right may share it."""
    kept = {name: source.raw[name] for name in ("output", "path", "value", "title") if name in source.raw}
    return digest(
        {"from": source.kind, "digest": digest_of, "environment": environment, "asked": dict(question), "read": kept}
    )


def read(source: Source, found: Any) -> Choices:
    """The choices in what a source gave: texts or numbers, or rows with a value and a title. Raises OptionsRefused."""
    for part in str(source.raw.get("path", "")).split(".") if source.raw.get("path") else []:
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        found = [line for line in found.splitlines() if line.strip()]
    if not isinstance(found, Sequence):
        raise OptionsRefused(f"The source of {source.parameter} gave no list.")
    rows = [_row(source, item) for item in found[:MAX_CHOICES]]
    values = [value for value, _ in rows]
    return Choices(values, [title for _, title in rows], digest({"values": values}), cut=len(found) > MAX_CHOICES)


def _row(source: Source, item: Any) -> tuple[Any, str]:
    value, title = item, item
    if isinstance(item, Mapping):
        value = item.get(str(source.raw.get("value", "value")))
        title = item.get(str(source.raw.get("title", "title")), value)
    if not isinstance(value, str | int) or isinstance(value, bool) or len(str(value)) > MAX_TEXT:
        raise OptionsRefused(f"The source of {source.parameter} gave something that is no short text or number.")
    return value, str(title)[:MAX_TEXT]


def outside(value: Any, choices: Choices) -> bool:
    """Whether a value, or one item of a list of them, is not among the choices."""
    return any(one not in choices.values for one in (value if isinstance(value, list) else [value]))
