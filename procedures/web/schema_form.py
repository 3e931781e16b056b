"""A JSON Schema as a form: fields to show, and what was typed turned back into typed values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

LONG_TEXT = 200


@dataclass(slots=True)
class Field:
    """One input. `kind`: text, area, number, date, email, url, yes, choice, many, lines, json or secret."""

    name: str
    key: str
    title: str
    kind: str
    required: bool
    hint: str = ""
    value: Any = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    attrs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FormPage:
    title: str
    hint: str
    fields: list[Field]


def pages(schemas: Sequence[Mapping[str, Any]], *, prefix: str = "p", secret: bool = False) -> list[FormPage]:
    """The pages of a form. A field's input is named `<prefix>.<name>`."""
    return [
        FormPage(
            str(schema.get("title", "")),
            str(schema.get("description", "")),
            [
                _field(name, rules, name in schema.get("required", ()), prefix, secret)
                for name, rules in schema.get("properties", {}).items()
            ],
        )
        for schema in schemas
        if schema.get("properties")
    ]


def _field(name: str, rules: Mapping[str, Any], required: bool, prefix: str, secret: bool) -> Field:
    kind = "secret" if secret or rules.get("writeOnly") else _kind(rules)
    made = Field(
        name,
        f"{prefix}.{name}",
        str(rules.get("title") or name.replace("_", " ").capitalize()),
        kind,
        required,
        hint=_hint(rules),
        schema=rules,
        attrs=_attrs(rules, kind),
    )
    options = rules.get("items", {}).get("enum") if kind == "many" else rules.get("enum")
    made.choices = [(json.dumps(option), str(option)) for option in options or ()]
    if "default" in rules:
        made.value = as_text(made, rules["default"])
    return made


def _kind(rules: Mapping[str, Any]) -> str:
    kind = rules.get("type", "string")
    if "enum" in rules:
        return "choice"
    if kind == "array":
        items = rules.get("items", {})
        return "many" if "enum" in items else "lines" if items.get("type", "string") != "object" else "json"
    if kind != "string":
        return {"boolean": "yes", "integer": "number", "number": "number"}.get(str(kind), "json")
    if rules.get("maxLength", 0) > LONG_TEXT or rules.get("format") == "multiline":
        return "area"
    return {"date": "date", "email": "email", "uri": "url"}.get(str(rules.get("format", "")), "text")


def _attrs(rules: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind == "number":
        names = {"min": "minimum", "max": "maximum"}
        step = {} if rules.get("type") == "integer" else {"step": "any"}
        return {attr: rules[key] for attr, key in names.items() if key in rules} | step
    return {attr: rules[key] for attr, key in (("maxlength", "maxLength"), ("minlength", "minLength")) if key in rules}


def _hint(rules: Mapping[str, Any]) -> str:
    parts = [str(rules["description"])] if rules.get("description") else []
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None and high is not None:
        parts.append(f"{low} to {high}" + (f", default {rules['default']}" if "default" in rules else ""))
    if _kind(rules) == "lines":
        parts.append("One on each line")
    return " · ".join(part.rstrip(".") for part in parts)


def as_text(made: Field, value: Any) -> Any:
    """A stored value as the input shows it."""
    if made.kind == "yes":
        return bool(value)
    if made.kind == "choice":
        return json.dumps(value)
    if made.kind == "many":
        return [json.dumps(item) for item in value]
    if made.kind == "lines" and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return json.dumps(value, indent=2) if made.kind == "json" else value


def values(form: Sequence[FormPage], posted: QueryDict) -> dict[str, Any]:
    """What was typed, with types. An empty optional field is absent; what does not parse stays text."""
    found: dict[str, Any] = {}
    for one in (f for form_page in form for f in form_page.fields):
        raw = posted.getlist(one.key)
        one.value = raw if one.kind == "many" else bool(raw) if one.kind == "yes" else (raw[0] if raw else "")
        if one.kind == "yes":
            found[one.name] = bool(raw)
        elif any(raw):
            found[one.name] = _typed(one, raw)
        if one.kind == "secret":
            one.value = ""
    return found


def _typed(one: Field, raw: list[str]) -> Any:
    if one.kind == "many":
        return [_json(item) for item in raw]
    text = raw[0]
    if one.kind in {"choice", "json"}:
        return _json(text)
    if one.kind == "number":
        return _number(text, whole=one.schema.get("type") == "integer")
    if one.kind == "lines":
        whole = one.schema.get("items", {}).get("type") == "integer"
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return [_number(line, whole=True) for line in lines] if whole else lines
    return text.replace("\r\n", "\n")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _number(text: str, *, whole: bool) -> Any:
    try:
        return int(text) if whole or text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text


def put_errors(form: Sequence[FormPage], rows: Sequence[Mapping[str, str]], *, under: str) -> list[str]:
    """Hang each error on its field by JSON pointer; gives back the messages that belong to none."""
    fields = {one.name: one for form_page in form for one in form_page.fields}
    rest = []
    for row in rows:
        where = row["pointer"].split("/")
        name = where[2].replace("~1", "/").replace("~0", "~") if len(where) > 2 and where[1] == under else ""
        if name in fields:
            fields[name].errors.append(row["message"])
        elif len(where) < 2 or where[1] not in {"parameters", "secrets"} or under == where[1]:
            rest.append(f"{row['pointer'].lstrip('/')}: {row['message']}" if row["pointer"] else row["message"])
    return rest
