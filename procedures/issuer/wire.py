"""How runner and issuer talk over a socket: frames of JSON with a length before them, and a fixed list of questions.

This is the one door at which what a lease holds becomes bytes of a message; between two processes of one host, on a
unix socket, and nowhere else.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, get_type_hints
from uuid import UUID

from procedures.domain.canonical import moment, parse_moment
from procedures.domain.errors import OpsError
from procedures.domain.lending import Asked, Fetch, Lend, Look, Open, Return
from procedures.domain.ports import Lease, Target
from procedures.domain.secrets import Secret

LENGTH = struct.Struct(">I")
MOST_ASKED = 8 * 1024
MOST_TOLD = 1024 * 1024
LONGEST_NAME, LARGEST = 400, 1000
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KINDS: Mapping[type, str] = {int: "number", str: "name", UUID: "id"}
ALIVE = "Alive"
GIVE_BACK = {"give back": True}
RENEW = {"renew": True}  # the lease of this very connection, and nothing more is said
QUESTIONS: Mapping[str, type[Asked]] = {one.__name__: one for one in (Lend, Open, Look, Fetch, Return)}
HINTS = {name: get_type_hints(kind) for name, kind in QUESTIONS.items()}


class NotUnderstood(OpsError):
    """A message to the issuer that is too long, is no JSON object, or says more or less than names."""

    code = "issuer.not-understood"
    next_step = "Let runner and issuer run the same version of the portal."


def framed(value: Mapping[str, Any], *, most: int) -> bytes:
    """The bytes of one message. Raises NotUnderstood."""
    data = json.dumps(value, separators=(",", ":")).encode()
    if len(data) > most:
        raise NotUnderstood(f"A message of {len(data):,} bytes is longer than the {most:,} that are let.")
    return LENGTH.pack(len(data)) + data


def length_of(head: bytes, *, most: int) -> int:
    """How many bytes follow. Raises NotUnderstood before any of them is read."""
    (size,) = LENGTH.unpack(head)
    if not 0 < size <= most:
        raise NotUnderstood(f"A message of {size:,} bytes is longer than the {most:,} that are let.")
    return int(size)


def parsed(data: bytes) -> dict[str, Any]:
    """The object of a message. Raises NotUnderstood."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise NotUnderstood("A message is no JSON.") from problem
    if not isinstance(value, dict):
        raise NotUnderstood("A message is no JSON object.")
    return value


def asking(asked: Asked) -> dict[str, Any]:
    """A question as a message."""
    return {"ask": type(asked).__name__} | {
        one.name: value if isinstance(value := getattr(asked, one.name), int) else str(value) for one in fields(asked)
    }


def asked_of(value: Mapping[str, Any]) -> Asked:
    """The question of a message; what it says beyond names refuses it whole. Raises NotUnderstood."""
    kind = QUESTIONS.get(str(value.get("ask")))
    if kind is None:
        raise NotUnderstood("The issuer knows no such question.")
    hints, given = HINTS[kind.__name__], {name: one for name, one in value.items() if name != "ask"}
    if more := sorted(set(given) - set(hints)):
        raise NotUnderstood(f"The issuer takes names alone, and {more[0][:100]} is none of them.")
    if lacking := sorted(set(hints) - set(given)):
        raise NotUnderstood(f"The question does not say its {lacking[0]}.")
    return kind(**{name: _read(name, hints[name], one) for name, one in given.items()})


def _read(name: str, kind: type, value: Any) -> Any:
    fits = isinstance(value, str) and len(value) <= LONGEST_NAME and value.isprintable()
    if kind is int:
        fits = type(value) is int and 0 <= value < LARGEST
    elif kind is UUID and fits:
        fits = ID.fullmatch(value) is not None
    if not fits:
        raise NotUnderstood(f"The question's {name} is no {KINDS[kind]}.")
    return UUID(value) if kind is UUID else value


def told_lease(lease: Lease, target: Target | None) -> dict[str, Any]:
    """A lease with what it holds, as a message."""
    row = {
        "id": str(lease.id),
        "provider": lease.provider,
        "target": lease.target,
        "handle": lease.handle,
        "issued_at": moment(lease.issued_at),
        "expires_at": moment(lease.expires_at),
        "renewable": lease.renewable,
        "self_expiring": lease.self_expiring,
        "kills_sessions": lease.kills_sessions,
        "evidence": lease.evidence,
        "material": told_secrets(lease.material),
        "env": {name: value for name, value in lease.env.items() if isinstance(value, str)},
        "hidden": told_secrets({name: value for name, value in lease.env.items() if isinstance(value, Secret)}),
        "files": told_secrets(lease.files),
    }
    return {"lease": row} | ({"target": {**asdict(target), "id": str(target.id)}} if target is not None else {})


def lease_of(value: Mapping[str, Any]) -> tuple[Lease, Target | None]:
    """What `told_lease` told."""
    row = dict(value["lease"])
    moments: dict[str, datetime] = {name: parse_moment(row[name]) for name in ("issued_at", "expires_at")}
    env = {**row.pop("env"), **secrets_of(row.pop("hidden"))}
    made = {"id": UUID(row["id"]), "env": env, **{name: secrets_of(row[name]) for name in ("material", "files")}}
    lease = Lease(**{**row, **moments, **made})
    target = value.get("target")
    return lease, Target(**{**target, "id": UUID(target["id"])}) if target is not None else None


def told_secrets(secrets: Mapping[str, Secret]) -> dict[str, str]:
    return {name: base64.b64encode(secret.reveal()).decode() for name, secret in secrets.items()}


def secrets_of(value: Mapping[str, str]) -> dict[str, Secret]:
    return {name: Secret(base64.b64decode(text)) for name, text in value.items()}
