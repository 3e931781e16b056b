"""File parameters: handed in as data URLs, laid out beside the bundle, and named in the plan by their hash."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from procedures.domain import forms
from procedures.domain.canonical import sha256_hex
from procedures.domain.errors import InvalidInput

FOLDER = "parameters"
FORMAT = "data-url"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """`parameters` with a path in the place of each file; `facts` are {name, sha256, bytes} by parameter."""

    parameters: dict[str, Any]
    files: dict[str, bytes]
    facts: dict[str, dict[str, Any]]


def file_parameters(schema: Mapping[str, Any]) -> list[str]:
    """Names of the parameters of a form that are files."""
    rows = forms.every_property(schema)
    return [name for name, rules in rows.items() if isinstance(rules, Mapping) and rules.get("format") == FORMAT]


def place(name: str) -> str:
    """Where a file parameter lies, as a path of the bundle."""
    return f"{FOLDER}/{name}"


def taken(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> Uploaded:
    """Files out of resolved parameters. Raises InvalidInput for what is no data URL."""
    found = Uploaded(dict(parameters), {}, {})
    for name in file_parameters(schema):
        given = parameters.get(name)
        if not given:
            continue
        label, content = decoded(name, str(given))
        found.files[place(name)] = content
        found.facts[name] = {"name": label, "sha256": sha256_hex(content), "bytes": len(content)}
        found.parameters[name] = f"/bundle/{place(name)}"
    return found


def decoded(name: str, url: str) -> tuple[str, bytes]:
    """(file name, bytes) of a base64 data URL (RFC 2397, with the `name=` that browsers' forms add)."""
    head, comma, text = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise InvalidInput([(f"/parameters/{name}", "is not a file: give a data URL in base64, or @PATH")])
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise InvalidInput([(f"/parameters/{name}", f"is not base64: {problem}")]) from problem
    label = next((p.removeprefix("name=") for p in head.split(";") if p.startswith("name=")), "")
    return unquote(label)[:200], content
