"""Runners as people enrol and end them: what a change says, what a card says, and how a key is named to people."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
LABEL = {"type": "string", "minLength": 1, "maxLength": 200}
UUID = {"type": "string", "format": "uuid"}
PUBLIC = {"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}
DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
POOL = {
    "type": "object",
    "required": ["authority", "key_id", "public"],
    "additionalProperties": False,
    "properties": {
        "key_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "public": PUBLIC,
        "authority": {"type": "string", "pattern": "^ssh-ed25519 [A-Za-z0-9+/=]+$"},
    },
}
RUNNER: Mapping[str, Any] = {
    "type": "object",
    "required": ["environments", "name", "public", "runner"],
    "additionalProperties": False,
    "properties": {
        "runner": UUID,
        "name": LABEL,
        "public": PUBLIC,
        "environments": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 50, "uniqueItems": True},
        "zones": {"type": "array", "items": NAME, "maxItems": 50, "uniqueItems": True},
        "software": {"type": "array", "items": DIGEST, "minItems": 1, "maxItems": 20, "uniqueItems": True},
        "pool": POOL,
    },
    "dependentSchemas": {"pool": {"properties": {"environments": {"maxItems": 1}}}},
}
RUNNER_END: Mapping[str, Any] = {
    "type": "object",
    "required": ["reason", "runner"],
    "additionalProperties": False,
    "properties": {"runner": UUID, "reason": LABEL},
}
CARD = {"kind", "id", "name", "public", "environment"}
PERHAPS = {"pool", "authority"}


def fingerprint(public: str) -> str:
    """A runner's key as people compare it by voice: what its machine prints and what the page shows."""
    try:
        raw = base64.b64decode(public, validate=True)
    except (binascii.Error, ValueError):
        return "not a key"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def enrolment(card: Mapping[str, Any], *, zones: list[str] | None = None, software: list[str] | None = None) -> Any:
    """The control object that enrols the runner of this card; its shape is checked where it is proposed.

    What a card has no place for is left out: nothing that a machine writes about itself widens what people sign.
    """
    object = {
        "runner": card.get("id"),
        "name": card.get("name"),
        "public": card.get("public"),
        "environments": [card.get("environment")],
    }
    if zones:
        object["zones"] = zones
    if software:
        object["software"] = software
    pool = card.get("pool")
    if isinstance(pool, list) and len(pool) == 2:
        object["pool"] = {"key_id": pool[0], "public": pool[1], "authority": card.get("authority")}
    return object


def with_issuer(card: Mapping[str, Any], issuer: Any) -> dict[str, Any]:
    """A runner's card with the pool and authority of its issuer's, if both are of one environment; else no card."""
    fits = isinstance(issuer, dict) and set(issuer) == {"kind", "environment", *PERHAPS} and issuer["kind"] == "issuer"
    if not fits or issuer["environment"] != card.get("environment"):
        return {}
    return {**card, **{name: issuer[name] for name in PERHAPS}}


def is_card(value: Any) -> bool:
    """Whether this is a card that a runner of one environment wrote, with nothing else on it."""
    return (
        isinstance(value, dict)
        and value.get("kind") == "runner"
        and CARD <= set(value) <= CARD | PERHAPS
        and ("pool" in value) == ("authority" in value)
    )
