"""What a declared credential may say beside its kind and time: fields that its providers read, and no others.

A field that nobody reads narrows nothing, and its author believes that it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain.definition import CredentialNeed

FIELDS: Mapping[str, tuple[str, ...]] = {
    "ssh": ("account",),
    "git": ("host",),
    "secret": ("env",),
    "postgres": ("role", "database"),
    "aws": ("role", "region", "policy"),
    "vault": ("role", "path"),
    "oidc": ("audience",),
    "kubernetes": ("account", "namespace", "audience"),
}
NEEDED: Mapping[str, tuple[str, ...]] = {"oidc": ("audience",)}


def problems(need: CredentialNeed) -> list[tuple[str, str]]:
    """(field, what is wrong with it). Kinds of other packages say what they like."""
    known = FIELDS.get(need.kind)
    if known is None:
        return []
    told = f"A credential of kind {need.kind} has no such field, only {', '.join(known)}."
    found = [(name, told) for name in need.scope if name not in known]
    found += [
        (name, "This is a text.") for name in known if name != "policy" and not _is_text(need.scope.get(name, "-"))
    ]
    for name in NEEDED.get(need.kind, ()):
        if name not in need.scope:
            found.append(("", f"A credential of kind {need.kind} says its {name}."))
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
