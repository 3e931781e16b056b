"""Deliveries to hooks: who signed one, when, and what of its body becomes a parameter (H13).

Signatures are those of Standard Webhooks (the specification of standardwebhooks.com): `v1a` by Ed25519, whose public
key is all that the portal holds, and `v1` by HMAC-SHA256; outside production also GitHub's `X-Hub-Signature-256`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.domain.errors import InvalidInput
from procedures.domain.standing import GITHUB

TOLERANCE = timedelta(minutes=5)
MARK = re.compile(r"^[A-Za-z0-9._:-]{1,200}$")
PUBLIC, PRIVATE, SHARED = "whpk_", "whsk_", "whsec_"
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery as its headers tell of it. `sent_at` is None where the form has no time (GitHub)."""

    mark: str
    sent_at: datetime | None
    signatures: Sequence[str]
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def signed_bytes(self) -> bytes:
        seconds = int(self.sent_at.timestamp()) if self.sent_at else 0
        return f"{self.mark}.{seconds}.".encode() + self.body


def read(proof: str, headers: Mapping[str, str], body: bytes) -> Delivery | None:
    """The delivery, if its headers have the form of that proof; header names are in lower case."""
    if proof == GITHUB:
        mark, signatures = headers.get("x-github-delivery", ""), [headers.get("x-hub-signature-256", "")]
        return Delivery(mark, None, signatures, body) if MARK.match(mark) else None
    mark, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not MARK.match(mark) or not re.fullmatch(r"[0-9]{1,11}", seconds):
        return None
    return Delivery(
        mark, datetime.fromtimestamp(int(seconds), UTC), headers.get("webhook-signature", "").split()[:20], body
    )


def signer(delivery: Delivery, keys: Sequence[str]) -> str:
    """The public key (`whpk_…`) by which a delivery is signed, or an empty string."""
    for text in delivery.signatures:
        version, _, value = text.partition(",")
        raw = _bytes(value) if version == "v1a" else None
        for key in keys if raw is not None else ():
            try:
                _public(key).verify(raw or b"", delivery.signed_bytes())
            except (InvalidSignature, ValueError):
                continue
            return key
    return ""


def is_signed(delivery: Delivery, proof: str, secret: str) -> bool:
    """Whether a delivery carries a signature by a shared secret, in the form of that proof."""
    if proof == GITHUB:
        wanted = "sha256=" + hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
        return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in delivery.signatures)
    key = _bytes(secret.removeprefix(SHARED)) or b""
    wanted = "v1," + base64.b64encode(hmac.new(key, delivery.signed_bytes(), hashlib.sha256).digest()).decode()
    found = [hmac.compare_digest(wanted.encode(), one.encode()) for one in delivery.signatures]
    return bool(key) and any(found)


def in_time(delivery: Delivery, at: datetime) -> bool:
    """Whether it was sent within five minutes of now; GitHub's carries no time."""
    return delivery.sent_at is None or abs(at - delivery.sent_at) <= TOLERANCE


def parameters_of(mapping: Mapping[str, Mapping[str, Any]], body: bytes) -> dict[str, Any]:
    """The parameters that a fixed mapping makes of a JSON body; a place that the body lacks gives no parameter.

    Raises InvalidInput for a body that is no JSON object.
    """
    try:
        said = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise InvalidInput([("/body", "is no JSON object")]) from problem
    if not isinstance(said, dict):
        raise InvalidInput([("/body", "is no JSON object")])
    found: dict[str, Any] = {}
    for name, rule in mapping.items():
        if "value" in rule:
            found[name] = rule["value"]
        else:
            there, value = _at(said, rule["pointer"])
            if there:
                found[name] = value
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _at(said: Any, pointer: str) -> tuple[bool, Any]:
    """What stands at a JSON pointer (RFC 6901), if there is anything."""
    for part in pointer[1:].split("/")[:DEEPEST]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(said, dict) and name in said:
            said = said[name]
        elif isinstance(said, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", name) and int(name) < len(said):
            said = said[int(name)]
        else:
            return False, None
    return True, said


def sign(key: str, mark: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a delivery signed by a private key (`whsk_…`) or a shared secret (`whsec_…`)."""
    sent = datetime.fromtimestamp(int(at.timestamp()), UTC)
    data = Delivery(mark, sent, (), body).signed_bytes()
    if key.startswith(PRIVATE):
        raw = _bytes(key.removeprefix(PRIVATE)) or b""
        signature = "v1a," + base64.b64encode(Ed25519PrivateKey.from_private_bytes(raw[:32]).sign(data)).decode()
    else:
        raw = _bytes(key.removeprefix(SHARED)) or b""
        signature = "v1," + base64.b64encode(hmac.new(raw, data, hashlib.sha256).digest()).decode()
    return {"webhook-id": mark, "webhook-timestamp": str(int(sent.timestamp())), "webhook-signature": signature}


def new_pair() -> tuple[str, str]:
    """A fresh (private, public) pair, as text."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    raw = private.private_bytes_raw() + public
    return PRIVATE + base64.b64encode(raw).decode(), PUBLIC + base64.b64encode(public).decode()


def key_problem(key: str) -> str:
    """Why a text is no public key, or an empty string."""
    try:
        _public(key)
    except ValueError:
        return "is no Ed25519 public key"
    return ""


def _public(key: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(_bytes(key.removeprefix(PUBLIC)) or b"")


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


__all__ = ["Delivery", "in_time", "is_signed", "new_pair", "parameters_of", "read", "sign", "signer"]
