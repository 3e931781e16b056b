"""DSSE envelopes around in-toto statements: what a runner says, signed by its own key, in its own sequence (G5)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from procedures.domain.canonical import canon
from procedures.domain.plan import plain

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE = "https://opsportal.dev/runner/v1"


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def runner_statement(
    *,
    runner: UUID,
    sequence: int,
    previous: str,
    kind: str,
    facts: Mapping[str, Any],
    sign: Callable[[bytes], bytes],
) -> tuple[dict[str, Any], str]:
    """(envelope, SHA-256 of the payload). `previous` is the digest of this runner's statement before, or ""."""
    value = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"run:{facts['run']}", "digest": {"sha256": str(facts["digest"]).removeprefix("sha256:")}}
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "runner": str(runner),
            "sequence": sequence,
            "previous": previous,
            "kind": kind,
            "facts": plain(facts),
        },
    }
    payload = canon(value)
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": str(runner), "sig": base64.b64encode(sign(pae(PAYLOAD_TYPE, payload))).decode()}],
    }
    return envelope, hashlib.sha256(payload).hexdigest()


def verified(envelope: Mapping[str, Any], public: bytes) -> bytes | None:
    """The payload if the envelope's one signature is by `public` (raw Ed25519), else None."""
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, pae(envelope["payloadType"], payload))
    except (InvalidSignature, ValueError, KeyError, IndexError, TypeError):
        return None
    return payload
