"""A JSON Schema as a form: fields to show, and what was typed turned back into typed values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from procedures.domain import forms

LONG_TEXT = 200


@dataclass(slots=True)
class Field:
    """One input; `kind`: text, area, number, date, email, url, yes, choice, radio, many, lines, json, file, secret."""

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
    hidden: list[Field] = field(default_factory=list)


def pages(
    schemas: Sequence[Mapping[str, Any]],
    *,
    prefix: str = "p",
    secret: bool = False,
    filled: Mapping[str, Any] | None = None,
) -> list[FormPage]:
    """The pages of a form, with the fields that count for what is `filled` in. An input is named `<prefix>.<name>`."""
    made = [_page(schema, prefix, secret, filled or {}) for schema in schemas]
    return [one for one in made if one.fields or one.hidden]


def _page(schema: Mapping[str, Any], prefix: str, secret: bool, filled: Mapping[str, Any]) -> FormPage:
    properties, required = forms.active(schema, forms.with_defaults(schema, filled))
    named = {
        name: _field(name, rules if isinstance(rules, Mapping) else {}, name in required, prefix, secret)
        for name, rules in properties.items()
    }
    asked = [name for name in schema.get("ui:order") or [] if name in named]
    ordered = [named[name] for name in [*asked, *(name for name in named if name not in asked)]]
    return FormPage(
        str(schema.get("title", "")),
        str(schema.get("description", "")),
        [one for one in ordered if one.schema.get("ui:widget") != "hidden"],
        [one for one in ordered if one.schema.get("ui:widget") == "hidden"],
    )


def grown(
    schemas: Sequence[Mapping[str, Any]], posted: QueryDict, *, prefix: str = "p", secret: bool = False
) -> tuple[list[FormPage], dict[str, Any]]:
    """The form as it stands once everything that was typed has had its say, and what was typed."""
    form = pages(schemas, prefix=prefix, secret=secret)
    typed = values(form, posted)
    for _ in range(forms.ROUNDS):
        before = {one.name for one_page in form for one in (*one_page.fields, *one_page.hidden)}
        form = pages(schemas, prefix=prefix, secret=secret, filled=typed)
        typed = values(form, posted)
        if {one.name for one_page in form for one in (*one_page.fields, *one_page.hidden)} == before:
            break
    return form, typed


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
    made.choices = _choices(rules, kind)
    if "default" in rules:
        made.value = as_text(made, rules["default"])
    return made


def _choices(rules: Mapping[str, Any], kind: str) -> list[tuple[str, str]]:
    """(JSON value, text) of each choice; texts as `ui:enumNames`, `enumNames` or titled constants give them."""
    source = rules.get("items", {}) if kind == "many" else rules
    if titled := _titled(source):
        return titled
    options = source.get("enum") or ()
    told = source.get("ui:enumNames") or source.get("enumNames") or rules.get("ui:enumNames") or options
    if isinstance(told, Mapping):
        told = [told.get(str(option), option) for option in options]
    return [(json.dumps(option), str(text)) for option, text in zip(options, told, strict=False)]


def _titled(source: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [row for key in ("oneOf", "anyOf") for row in source.get(key) or []]
    if not rows or not all(isinstance(row, Mapping) and "const" in row for row in rows):
        return []
    return [(json.dumps(row["const"]), str(row.get("title", row["const"]))) for row in rows]


def _kind(rules: Mapping[str, Any]) -> str:
    kind = rules.get("type", "string")
    if "enum" in rules or _titled(rules):
        return "radio" if rules.get("ui:widget") == "radio" else "choice"
    if kind == "array":
        items = rules.get("items", {})
        return (
            "many"
            if "enum" in items or _titled(items)
            else "lines"
            if items.get("type", "string") != "object"
            else "json"
        )
    if kind != "string":
        return {"boolean": "yes", "integer": "number", "number": "number"}.get(str(kind), "json")
    if rules.get("format") == "data-url":
        return "file"
    if rules.get("maxLength", 0) > LONG_TEXT or rules.get("format") == "multiline" or _widget(rules) == "textarea":
        return "area"
    return {"date": "date", "email": "email", "uri": "url"}.get(str(rules.get("format", "")), "text")


def _widget(rules: Mapping[str, Any]) -> str:
    return str(rules.get("ui:widget") or (rules.get("ui:options") or {}).get("widget") or "")


def _attrs(rules: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Attributes of the input: limits of the schema, and the hints that Backstage's forms know."""
    found = _limits(rules, kind)
    if holder := rules.get("ui:placeholder"):
        found["placeholder"] = str(holder)[:200]
    if rules.get("ui:autofocus") is True:
        found["autofocus"] = ""
    if kind == "area" and isinstance(rows := (rules.get("ui:options") or {}).get("rows"), int):
        found["rows"] = max(2, min(rows, 40))
    return found


def _limits(rules: Mapping[str, Any], kind: str) -> dict[str, Any]:
    if kind == "number":
        names = {"min": "minimum", "max": "maximum"}
        step = {} if rules.get("type") == "integer" else {"step": "any"}
        return {attr: rules[key] for attr, key in names.items() if key in rules} | step
    return {attr: rules[key] for attr, key in (("maxlength", "maxLength"), ("minlength", "minLength")) if key in rules}


def _hint(rules: Mapping[str, Any]) -> str:
    parts = [str(rules[key]) for key in ("description", "ui:help") if rules.get(key)]
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
    if made.kind in {"choice", "radio"}:
        return json.dumps(value)
    if made.kind == "many":
        return [json.dumps(item) for item in value]
    if made.kind == "lines" and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return json.dumps(value, indent=2) if made.kind == "json" else value


def values(form: Sequence[FormPage], posted: QueryDict) -> dict[str, Any]:
    """What was typed, with types. An empty optional field is absent; what does not parse stays text."""
    found: dict[str, Any] = {}
    for one in (f for form_page in form for f in (*form_page.fields, *form_page.hidden)):
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
    if one.kind in {"choice", "radio", "json"}:
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
    fields = {one.name: one for form_page in form for one in (*form_page.fields, *form_page.hidden)}
    rest = []
    for row in rows:
        where = row["pointer"].split("/")
        name = where[2].replace("~1", "/").replace("~0", "~") if len(where) > 2 and where[1] == under else ""
        if name in fields:
            fields[name].errors.append(row["message"])
        elif len(where) < 2 or where[1] not in {"parameters", "secrets"} or under == where[1]:
            rest.append(f"{row['pointer'].lstrip('/')}: {row['message']}" if row["pointer"] else row["message"])
    return rest
