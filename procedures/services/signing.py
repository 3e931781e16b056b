"""How strong a decision is: a session alone, or a signature by a key that is enrolled for this very person."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procedures.domain import statements
from procedures.domain.canonical import canon
from procedures.domain.errors import InvalidInput
from procedures.domain.sshkeys import InvalidSignature, verify_sshsig
from procedures.models import EnrolledKey, Person


@dataclass(frozen=True, slots=True)
class Decided:
    """The exact statement bytes and one signature row of evidence.md: by, strength, method, key, sig."""

    statement: bytes
    signature: dict[str, Any]

    @property
    def strength(self) -> str:
        return str(self.signature["strength"])


def decided(
    actor: Person,
    expected: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    *,
    minimum: str,
    free: tuple[str, ...] = ("nonce",),
    bearer: bool = False,
    role: str = "",
) -> Decided:
    """Turn what a door handed in into a decision of known strength.

    `given` is None (session only) or `{"statement": base64, "signature": armoured SSH signature}`.
    A bearer token alone never decides. Raises TooWeak, BadSignature, StatementMismatch, InvalidInput.
    """
    if given is None:
        if bearer:
            raise statements.TooWeak("A bearer token alone cannot decide this: it needs your signature.")
        if not statements.strong_enough("session", minimum):
            raise statements.TooWeak(f"This decision must be {minimum}; a signed-in session is not enough.")
        row = {"by": str(actor.subject), "strength": "session", "method": "session", "key": "", "sig": "", "role": role}
        return Decided(canon(dict(expected)), row)
    data = _decode(given)
    statements.signed_as_expected(data, expected, free=free)
    fingerprint = check_signature(actor, data, str(given.get("signature", "")))
    return Decided(
        data,
        {
            "by": str(actor.subject),
            "strength": "signed",
            "method": "ssh",
            "key": fingerprint,
            "sig": str(given["signature"]),
            "role": role,
        },
    )


def _decode(given: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(given.get("statement", "")), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise InvalidInput([("/signature/statement", "not base64")]) from problem


def check_signature(actor: Person, data: bytes, armored: str) -> str:
    """The fingerprint of the actor's enrolled key that made this signature. Raises BadSignature."""
    try:
        info = verify_sshsig(armored, data, statements.NAMESPACE)
    except InvalidSignature as problem:
        raise statements.BadSignature(f"The signature does not verify: {problem}", pointer="/signature") from problem
    known = EnrolledKey.objects.filter(person=actor, fingerprint=info.fingerprint, revoked_at__isnull=True)
    if not known.exists():
        raise statements.BadSignature(
            f"The key {info.fingerprint} is not enrolled for {actor.username}.", pointer="/signature"
        )
    return info.fingerprint
