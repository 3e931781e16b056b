"""Rundeck's options as the form's JSON Schema; secure ones as secrets, and as credentials if key storage holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain import parameters
from procedures.domain.rendering import variable
from procedures.importers.rundeck.source import Ledger, Path, mapping, text, truth
from procedures.importers.rundeck.variables import Known, Option

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
QUOTED = re.compile(r"""(?:"([^"$`\\]*)"|'([^']*)')""")
IGNORED = {
    "valuesListDelimiter": "how its values were listed",
    "sortIndex": "the order of the form is kept",
    "sortValues": "values stand in the order of the file",
    "multivalueAllSelected": "all values are chosen by its default",
    "valuesType": "how its values were told",
    "realValueExposed": "told by valueExposed",
    "inputType": "a field of the form is chosen by its type",
    "type": "told by the field's own shape",
    "optionType": "told by the field's own shape",
}
KINDS = {"plain", "text", "date", "file", "multiline", "number", "url", "config"}


@dataclass(slots=True)
class Form:
    """Properties of the form, of its secrets, and the credentials that a key storage held, each where it lay."""

    properties: dict[str, dict[str, Any]] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets_required: list[str] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)


def form(job: Mapping[str, Any], known: Known, ledger: Ledger) -> Form:
    """Read every option, and tell `known` how each is reached."""
    found = Form()
    ledger.mapped(("options",), "spec.parameters and spec.secrets")
    for given, path in _rows(job.get("options")):
        name = text(given.get("name")).strip()
        if not name:
            ledger.reported(path, "an option without a name")
            continue
        own = _own_name(name, found)
        said = f"the parameter {own}" if own == name else f"the parameter {own}, since {name!r} is no name here"
        ledger.mapped((*path, "name"), said)
        if truth(given.get("secure")) or text(given.get("type")) in {"secure", "secureExposed"}:
            _secure(given, path, name, own, found, known, ledger)
        else:
            _plain(given, path, name, own, found, known, ledger)
        for key, why in IGNORED.items():
            if key in given and (*path, key) not in ledger.said:
                ledger.ignored((*path, key), why)
    return found


def _rows(given: Any) -> list[tuple[dict[str, Any], Path]]:
    """Options as a list, or as the older mapping by name."""
    if isinstance(given, list):
        return [(mapping(row), ("options", number)) for number, row in enumerate(given)]
    named = mapping(given)
    return [({"name": name, **mapping(row)}, ("options", name)) for name, row in named.items()]


def _own_name(name: str, found: Form) -> str:
    own = re.sub(r"[^A-Za-z0-9_-]", "-", name)[:60]
    own = own if NAME.fullmatch(own) else f"o-{own}"
    taken = {variable(n) for n in [*found.properties, *found.secrets]}
    number, candidate = 1, own
    while variable(candidate) in taken:
        number += 1
        candidate = f"{own}-{number}"
    return candidate


def _described(given: Mapping[str, Any], path: Path, name: str, ledger: Ledger) -> dict[str, Any]:
    about: dict[str, Any] = {"title": text(given.get("label")).strip()[:200] or name}
    if text(given.get("description")).strip():
        about["description"] = text(given["description"]).strip()
    for key, into in (("label", "title"), ("description", "description")):
        if key in given:
            ledger.mapped((*path, key), into)
    return about


def _secure(
    given: Mapping[str, Any], path: Path, name: str, own: str, found: Form, known: Known, ledger: Ledger
) -> None:
    exposed = truth(given.get("valueExposed"))
    known.options[name] = Option(own, secret=True, exposed=exposed)
    place = text(given.get("storagePath")).strip()
    if place:
        credential = _credential_name(own, found.credentials)
        found.credentials[credential] = place[:500]
        ledger.mapped(
            (*path, "storagePath"),
            f"the credential {credential}; the README says that it lay at {place[:100]}, and nothing is copied",
        )
    if exposed:
        found.secrets[own] = {"type": "string", **_described(given, path, name, ledger)}
        if truth(given.get("required")) and not place:
            found.secrets_required.append(own)
        ledger.mapped((*path, "secure"), f"the secret {own}, handed to steps in their environment alone")
    else:
        _described(given, path, name, ledger)
        ledger.reported(
            (*path, "secure"), f"{name} let Rundeck log in to nodes; the environment's ssh credential does that"
        )
    if "valueExposed" in given:
        ledger.mapped((*path, "valueExposed"), "steps read it" if exposed else "no step reads it")
    _rest_of_a_secret(given, path, ledger)


def _rest_of_a_secret(given: Mapping[str, Any], path: Path, ledger: Ledger) -> None:
    if "required" in given:
        ledger.mapped((*path, "required"), "asked for when the run is requested, unless a credential serves it")
    for key in ("value", "default", "defaultValue"):
        if text(given.get(key)):
            ledger.reported((*path, key), "a secret's default is not carried over; hand it in, or bind a credential")
        elif key in given:
            ledger.ignored((*path, key), "empty")
    for key in given:
        if (*path, key) not in ledger.said:
            ledger.ignored((*path, key), "a secret has a title and a description alone")


def _credential_name(own: str, taken: Mapping[str, Any]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", own.lower()).strip("-")[:55] or "secret"
    number, candidate = 1, base
    while candidate in taken or candidate == "ssh":
        number += 1
        candidate = f"{base}-{number}"
    return candidate


def _plain(
    given: Mapping[str, Any], path: Path, name: str, own: str, found: Form, known: Known, ledger: Ledger
) -> None:
    several = truth(given.get("multivalued"))
    delimiter = (text(given.get("delimiter")) or ",") if several else ""
    schema: dict[str, Any] = {"type": "string", **_described(given, path, name, ledger)}
    values = _values(given, path, ledger)
    quoted = _default(given, path, schema, delimiter, ledger)
    _limits(given, path, schema, values, ledger)
    _kind(given, path, schema, ledger)
    if several:
        schema = _several(given, path, schema, values, delimiter, ledger)
    required = truth(given.get("required"))
    if "required" in given:
        ledger.mapped((*path, "required"), "required" if required else "may be left out")
    for key, why in (("multivalued", "one value"), ("delimiter", "one value"), ("secure", "not secure")):
        if key in given and (*path, key) not in ledger.said:
            ledger.ignored((*path, key), why)
    for key in ("storagePath", "valueExposed"):
        if key in given:
            ledger.ignored((*path, key), "it counts for secure options alone")
    if truth(given.get("hidden")):
        schema["ui:widget"] = "hidden"
    if "hidden" in given:
        ledger.mapped((*path, "hidden"), "ui:widget" if truth(given["hidden"]) else "shown")
    if required:
        found.required.append(own)
    found.properties[own] = schema
    always = required or "default" in schema
    known.options[name] = Option(own, delimiter=delimiter, always=always, quoted=quoted)


def _several(
    given: Mapping[str, Any], path: Path, schema: dict[str, Any], values: list[str], delimiter: str, ledger: Ledger
) -> dict[str, Any]:
    """An option of several values as an array; what held for the one holds for each."""
    about: dict[str, Any] = {key: schema.pop(key) for key in ("title", "description", "default") if key in schema}
    schema = {
        "type": "array",
        **about,
        "items": {"type": "string", **{k: v for k, v in schema.items() if k != "type"}},
    }
    ledger.mapped((*path, "multivalued"), f"an array, joined by {delimiter!r} for its scripts")
    ledger.mapped((*path, "delimiter"), "between the values")
    if truth(given.get("multivalueAllSelected")) and values and "default" not in schema:
        schema["default"] = values
    return schema


def _values(given: Mapping[str, Any], path: Path, ledger: Ledger) -> list[str]:
    raw = given.get("values")
    rows = raw if isinstance(raw, list) else text(raw).split(text(given.get("valuesListDelimiter")) or ",")
    values = list(dict.fromkeys(text(row).strip() for row in rows if text(row).strip()))
    for key in ("valuesUrl", "valuesFromPlugin", "optionValuesPluginType", "configRemoteUrl"):
        if text(given.get(key)) or isinstance(given.get(key), Mapping):
            where = text(given[key])[:200] or "its settings"
            ledger.reported((*path, key), f"its values came from {where}; nothing is fetched here, list them as enum")
        elif key in given:
            ledger.ignored((*path, key), "empty")
    return values


def _default(given: Mapping[str, Any], path: Path, schema: dict[str, Any], delimiter: str, ledger: Ledger) -> bool:
    """Take the default. True if the shell used to take quotes off it, so that they are left out here."""
    quoted = False
    for key in ("value", "default", "defaultValue"):
        if key not in given:
            continue
        value = text(given[key])
        if not value or "default" in schema:
            ledger.ignored((*path, key), "empty" if not value else "a default is given already")
            continue
        match = QUOTED.fullmatch(value)
        if match and not delimiter:
            value, quoted = match[1] or match[2] or "", True
            ledger.reported((*path, key), "default, without the quotes that the shell took off; values are data here")
        schema["default"] = [v for v in value.split(delimiter) if v] if delimiter else value
        ledger.mapped((*path, key), "default")
    return quoted


def _limits(given: Mapping[str, Any], path: Path, schema: dict[str, Any], values: list[str], ledger: Ledger) -> None:
    chosen = truth(given.get("enforced"))
    if values and chosen:
        default = schema.get("default")
        extra = [] if default is None else default if isinstance(default, list) else [default]
        schema["enum"] = list(dict.fromkeys([*values, *extra]))
        ledger.mapped((*path, "values"), "enum")
        if not set(extra) <= set(values):
            ledger.reported((*path, "values"), "the default is none of the values; it is added to them")
    elif values:
        schema["examples"] = values
        ledger.mapped((*path, "values"), "examples: suggested, others are allowed")
    elif "values" in given:
        ledger.ignored((*path, "values"), "empty")
    if chosen and not values:
        ledger.reported((*path, "enforced"), "which values it may have is not in the file; any text is allowed here")
    elif "enforced" in given:
        ledger.mapped((*path, "enforced"), "one of the values" if chosen else "other values are allowed")
    pattern = text(given.get("regex")).strip()
    if pattern:
        whole = f"^(?:{pattern})$"
        if parameters.check_schema({"properties": {"x": {"type": "string", "pattern": whole}}}):
            ledger.reported((*path, "regex"), f"the pattern {pattern[:100]!r} is not known here; write another")
        else:
            schema["pattern"] = whole
            ledger.mapped((*path, "regex"), "pattern, which the whole value matches")
    elif "regex" in given:
        ledger.ignored((*path, "regex"), "empty")


def _kind(given: Mapping[str, Any], path: Path, schema: dict[str, Any], ledger: Ledger) -> None:
    kind = text(given.get("type") or given.get("optionType")).strip()
    if kind == "file":
        schema["format"] = "data-url"
        schema.pop("default", None)
        ledger.mapped((*path, "type"), "a file parameter")
    elif kind == "multiline":
        schema["ui:widget"] = "textarea"
        ledger.mapped((*path, "type"), "ui:widget")
    elif kind and kind not in KINDS:
        ledger.reported((*path, "type"), f"the kind {kind[:60]!r} is not known; it is a text here")
    if truth(given.get("isDate")) or kind == "date":
        schema["description"] = f"{schema.get('description', '')}\n\nA date".strip()
        shape = text(given.get("dateFormat")).strip()
        schema["description"] += f" written as {shape[:60]}." if shape else "."
        ledger.mapped((*path, "isDate"), "description")
        ledger.mapped((*path, "dateFormat"), "description")
    for key in ("isDate", "dateFormat"):
        if key in given and (*path, key) not in ledger.said:
            ledger.ignored((*path, key), "no date")
