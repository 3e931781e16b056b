"""Inventories: sources that say which hosts there are, and how that differs from the targets that people confirmed.

A source decides nothing (H12): it serves one environment, never names another, and never replaces a host key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jsonschema_rs

from procedures.domain.inventory_sources import Found
from procedures.domain.ports import Target
from procedures.domain.shape_errors import told

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
FILE = {"type": "string", "maxLength": 300, "pattern": r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"}
WORD = {"type": "string", "minLength": 1, "maxLength": 200}
LEAST_S, LONGEST_S = 60, 86_400
Problems = list[tuple[str, str]]


def _settings(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": sorted(required),
        "additionalProperties": False,
        "properties": {**required, **(optional or {})},
    }


SETTINGS: Mapping[str, dict[str, Any]] = {
    "yaml": _settings({"file": FILE}),
    "ansible": _settings({"file": FILE}, {"known_hosts": FILE}),
    "script": _settings({"file": FILE}, {"known_hosts": FILE, "network": {"type": "boolean"}}),
    "kubernetes": _settings({"file": FILE}),
    "catalogue": _settings({}, {"kind": WORD, "type": WORD}),
    "aws-ec2": _settings(
        {"region": {"type": "string", "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$"}, "secret": NAME},
        {
            "endpoint": {"type": "string", "maxLength": 300, "pattern": r"^https?://[^\s/]+/?$"},
            "tags": {"type": "object", "additionalProperties": WORD, "maxProperties": 20},
            "address": {"enum": ["private", "public"]},
            "name_tag": WORD,
            "known_hosts": FILE,
        },
    ),
}
FIELDS: Mapping[str, Any] = {
    "name": NAME,
    "environment": NAME,
    "kind": {"enum": list(SETTINGS)},
    "settings": {"type": "object"},
    "trust": {"enum": ["key", "restricted", "certificate"]},
    "every_s": {"type": "integer", "minimum": LEAST_S, "maximum": LONGEST_S},
    "takes": {"type": "boolean"},
    "action": {"enum": ["set", "end"]},
}
SCHEMA = {"type": "object", "required": list(FIELDS), "additionalProperties": False, "properties": FIELDS}
_VALIDATORS = {kind: jsonschema_rs.validator_for(schema, offline=True) for kind, schema in SETTINGS.items()}


def settings_problems(object: Mapping[str, Any]) -> Problems:
    """What is wrong with the settings of an inventory's kind, by pointer."""
    rows = _VALIDATORS[object["kind"]].iter_errors(object["settings"])
    return [("/object/settings" + "".join(f"/{part}" for part in row.instance_path), told(row)) for row in rows]


Kind = Literal["new", "changed", "gone", "incomplete", "refused"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a source and the confirmed targets differ over one host. `fields` are (field, before, after).

    `object` is the control object that would make them agree, of an incomplete one without its host key; None where no
    change of this environment may.
    """

    kind: Kind
    name: str
    why: str = ""
    fields: tuple[tuple[str, Any, Any], ...] = ()
    object: Mapping[str, Any] | None = None

    @property
    def safe(self) -> bool:
        """Whether a source may have this outside production by the word of whoever signed it: never a new host key."""
        return self.kind in {"new", "changed"} and not any(f == "host_key" and was for f, was, _ in self.fields)


COMPARED = ("address", "port", "host_key", "owner", "tags", "attributes", "inventory")


def differences(
    inventory: Mapping[str, Any], hosts: Sequence[Found], targets: Sequence[Target], here: Mapping[str, str]
) -> list[Difference]:
    """What a source says against all live targets of the portal. `here`: name → inventory, of its environment."""
    book = _Book(targets)
    rows: list[Difference] = []
    for host in hosts:
        row = _one(inventory, host, book, here)
        if row is not None:
            rows.append(row)
    named = {host.name for host in hosts}
    rows += [
        Difference("gone", name, "the source no longer names it; it stays a target until a person ends it")
        for name, source in sorted(here.items())
        if source == inventory["name"] and name not in named
    ]
    return rows


class _Book:
    """Who holds which name, host key and address, over every environment; hosts of this sync are added."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.names = {t.name: t for t in targets}
        self.keys = {t.host_key: t for t in targets}
        self.places = {(t.address, t.port): t for t in targets}
        self.met: dict[Any, str] = {}

    def holder(self, host: Found, environment: str) -> str:
        """In words, whose name, key or address this host would take; empty if nobody's."""
        marks: tuple[tuple[str, Target | None, object], ...] = (
            ("name", self.names.get(host.name), host.name),
            ("host key", self.keys.get(host.host_key), host.host_key),
            ("address", self.places.get((host.address, host.port)), (host.address, host.port)),
        )
        for mark, held, key in marks:
            if held is not None and (held.name, held.environment) != (host.name, environment):
                return f"its {mark} is that of the target {held.name} of {held.environment}"
            if key and self.met.setdefault((mark, key), host.name) != host.name:
                return f"its {mark} is also that of {self.met[mark, key]}"
        return ""


def _one(inventory: Mapping[str, Any], host: Found, book: _Book, here: Mapping[str, str]) -> Difference | None:
    if why := book.holder(host, inventory["environment"]):
        return Difference("refused", host.name, why)
    target = book.names.get(host.name)
    if here.get(host.name) not in {None, "", inventory["name"]}:
        return Difference("refused", host.name, f"it comes from the inventory {here[host.name]}")
    wanted = _object(inventory, host, target)
    if not wanted["host_key"]:
        return Difference("incomplete", host.name, "its host key is not known", object=wanted)
    before = _before(target, here.get(host.name, ""))
    fields = tuple((name, before.get(name), wanted[name]) for name in COMPARED if before.get(name) != wanted[name])
    if target is not None and not fields:
        return None
    return Difference("new" if target is None else "changed", host.name, fields=fields, object=wanted)


def _object(inventory: Mapping[str, Any], host: Found, target: Target | None) -> dict[str, Any]:
    """The target as the source has it, with the host key that people confirmed where the source knows none."""
    return {
        "environment": inventory["environment"],
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "host_key": host.host_key or (target.host_key if target else ""),
        **({"host_authority": target.host_authority} if target and target.host_authority else {}),
        "trust": target.trust if target else inventory["trust"],
        "tags": dict(host.tags),
        "attributes": dict(host.attributes),
        "owner": host.owner,
        "inventory": inventory["name"],
        "action": "set",
    }


def _before(target: Target | None, inventory: str) -> dict[str, Any]:
    if target is None:
        return {}
    plain = {name: getattr(target, name) for name in ("address", "port", "host_key", "owner")}
    return {**plain, "tags": dict(target.tags), "attributes": dict(target.attributes), "inventory": inventory}
