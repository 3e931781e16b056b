"""What a parameter's JSON Schema and Backstage's `ui:` hints say of its input: kind, choices, attributes, help."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
LONG_TEXT = 200
INPUT_TYPES = frozenset({"text", "email", "url", "tel", "search", "password", "color", "time", "month", "week"})
FORMATS = {"date": "date", "email": "email", "uri": "url", "time": "time", "color": "color"}
WIDGETS = {"updown": "number", "range": "range", "date": "date", "color": "color", "time": "time", "uri": "url"}


def ui(rules: Schema, name: str) -> Any:
    """A hint, as `ui:NAME` or inside `ui:options`, as both are customary."""
    inside = rules.get("ui:options")
    return rules.get(f"ui:{name}", inside.get(name) if isinstance(inside, Mapping) else None)


def text(value: Any, most: int = 1000) -> str:
    return str(value)[:most] if isinstance(value, str | int | float) else ""


def title(name: str, rules: Schema) -> str:
    return text(ui(rules, "title"), 200) or text(rules.get("title"), 200) or name.replace("_", " ").capitalize()


def kind(rules: Schema) -> str:
    """Which input stands for it; `group` holds fields of its own, `rows` any number of such groups."""
    type_ = rules.get("type", "string")
    if isinstance(type_, list):
        type_ = next((one for one in type_ if one != "null"), "string")
    if "enum" in rules or titled(rules):
        return "radio" if ui(rules, "widget") == "radio" else "choice"
    if type_ == "array":
        return _array(rules)
    if type_ == "object":
        return "group" if rules.get("properties") else "json"
    if type_ == "boolean":
        return {"radio": "yesno", "select": "yesno"}.get(str(ui(rules, "widget")), "yes")
    if type_ in {"integer", "number"}:
        return "range" if ui(rules, "widget") == "range" and {"minimum", "maximum"} <= set(rules) else "number"
    return _text(rules) if type_ == "string" else "json"


def _array(rules: Schema) -> str:
    items = rules.get("items") if isinstance(rules.get("items"), Mapping) else {}
    assert isinstance(items, Mapping)  # noqa: S101 - said for the type checker
    if "enum" in items or titled(items):
        return "checks" if ui(rules, "widget") == "checkboxes" else "many"
    if items.get("type") == "object":
        return "rows" if items.get("properties") else "json"
    return "lines" if items.get("type", "string") in {"string", "integer", "number"} else "json"


def _text(rules: Schema) -> str:
    widget = str(ui(rules, "widget") or "")
    if rules.get("format") == "data-url" or widget == "file":
        return "file"
    if widget == "password":
        return "password"
    if widget == "textarea" or rules.get("format") == "multiline" or _number(rules.get("maxLength")) > LONG_TEXT:
        return "area"
    wanted = ui(rules, "inputType")
    if wanted in INPUT_TYPES:
        return str(wanted)
    return WIDGETS.get(widget) or FORMATS.get(str(rules.get("format", "")), "text")


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def choices(rules: Schema, kind_: str) -> list[tuple[str, str]]:
    """(JSON value, text) of each choice; texts as `ui:enumNames`, `enumNames` or titled constants give them."""
    if kind_ == "yesno":
        told = rules.get("ui:enumNames") or rules.get("enumNames") or ["Yes", "No"]
        return [("true", text(told[0])), ("false", text(told[-1]))] if isinstance(told, list) and told else []
    items = rules.get("items")
    source = items if kind_ in {"many", "checks"} and isinstance(items, Mapping) else rules
    if found := titled(source):
        return found
    options = source.get("enum") or ()
    told = next((s[k] for s in (source, rules) for k in ("ui:enumNames", "enumNames") if s.get(k)), options)
    if isinstance(told, Mapping):
        told = [told.get(str(option), option) for option in options]
    told = [*told, *options[len(told) :]] if isinstance(told, list | tuple) else options
    return [(json.dumps(option), _shown(name)) for option, name in zip(options, told, strict=False)]


def titled(source: Schema) -> list[tuple[str, str]]:
    """Choices written as `oneOf` or `anyOf` of titled constants."""
    rows = [row for key in ("oneOf", "anyOf") for row in source.get(key) or []]
    if not rows or not all(isinstance(row, Mapping) and "const" in row for row in rows):
        return []
    return [(json.dumps(row["const"]), _shown(row.get("title", row["const"]))) for row in rows]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def is_fixed(rules: Schema) -> bool:
    """Whether the author lets nobody change the value."""
    return any(value is True for value in (ui(rules, "disabled"), ui(rules, "readonly"), rules.get("readOnly")))


def is_hidden(rules: Schema) -> bool:
    return str(ui(rules, "widget")) == "hidden"


def attributes(rules: Schema, kind_: str) -> dict[str, Any]:
    """Attributes of the input: limits of the schema, and the hints that Backstage's forms know."""
    found = _limits(rules, kind_)
    if holder := text(ui(rules, "placeholder"), 200):
        found["placeholder"] = holder
    elif rules.get("ui:field") == "RepoUrlPicker":
        found["placeholder"] = "github.com?owner=OWNER&repo=NAME"
    if ui(rules, "autofocus") is True:
        found["autofocus"] = ""
    if is_fixed(rules):
        found["readonly"] = ""
    rows = ui(rules, "rows")
    if kind_ == "area" and isinstance(rows, int):
        found["rows"] = max(2, min(rows, 40))
    return found


def _limits(rules: Schema, kind_: str) -> dict[str, Any]:
    if kind_ in {"number", "range"}:
        names = {"min": "minimum", "max": "maximum"}
        step = {} if rules.get("type") == "integer" else {"step": "any"}
        return {attr: rules[key] for attr, key in names.items() if key in rules} | step
    pairs = (("maxlength", "maxLength"), ("minlength", "minLength"))
    return {attr: rules[key] for attr, key in pairs if isinstance(rules.get(key), int)}


def hint(rules: Schema, kind_: str) -> str:
    parts = [text(ui(rules, "description")) or text(rules.get("description")), text(ui(rules, "help"))]
    low, high = rules.get("minimum"), rules.get("maximum")
    if low is not None and high is not None:
        parts.append(f"{low} to {high}" + (f", default {rules['default']}" if "default" in rules else ""))
    if kind_ == "lines":
        parts.append("One on each line")
    if kind_ == "password":
        parts.append("Kept and shown like any parameter: what must stay secret belongs under secrets")
    if is_fixed(rules):
        parts.append("Set by the author")
    return " · ".join(part.rstrip(".") for part in parts if part)


def order(names: list[str], wanted: Any) -> list[str]:
    """Names in the order of `ui:order`, where "*" stands for the rest."""
    asked = [name for name in wanted if isinstance(name, str)] if isinstance(wanted, list) else []
    rest = [name for name in names if name not in asked]
    if "*" not in asked:
        return [*(name for name in asked if name in names), *rest]
    place = asked.index("*")
    before, after = asked[:place], asked[place + 1 :]
    return [*(n for n in before if n in names), *rest, *(n for n in after if n in names)]
