"""How strong a decision is: a session alone, a code, or a signature by a key enrolled for this very person."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.domain import passkeys, signatures, statements
from procedures.domain.canonical import canon
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.models import EnrolledKey, Person
from procedures.services import codes, open_sessions

NEEDED = {"session": "a signed-in session", "totp": "a code of your app or a signature", "signed": "a signature"}
WORDS = {"session": "a signed-in session", "totp": "a code"}


class KeyTooNew(NotAllowed):
    """The key takes the place of a lost one, and its day of waiting is not over."""

    code = "signature.key-too-new"
    next_step = "Wait until then, sign with an older key of yours, or let somebody else decide."


class PasskeyCopied(NotAllowed):
    """A passkey's counter went back, as that of a copy does."""

    code = "passkey.counter-went-back"
    next_step = "Sign with another key, and have this passkey revoked: an access manager does it on the page People."


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
    at: datetime,
    free: tuple[str, ...] = ("nonce",),
    bearer: bool = False,
    role: str = "",
    production: bool = True,
) -> Decided:
    """Turn what a door handed in into a decision of known strength.

    `given` is None (session only), `{"totp": code}`, `{"statement": base64, "signature": armoured SSH signature}`, or
    `{"statement": base64, "passkey": {credential, authenticator_data, client_data, signature}}`.
    A bearer token never decides but with a signature: a code beside it is two things that can be stolen (H20).
    Software decides nothing, whoever owns it (rule 16). `production`: it weighs on production, where a key that
    replaces a lost one counts a day after its enrolment (H1).
    Raises NotAllowed, TooWeak, BadSignature, KeyTooNew, PasskeyCopied, WrongCode, TooManyCodes, NoCodeApp,
    StatementMismatch, InvalidInput.
    """
    if actor.kind != Person.Kind.PERSON:
        raise NotAllowed(f"{actor.username} is software: a decision is a person's, and software is its owner's hand.")
    if given is None or "totp" in given:
        strength = "session" if given is None else "totp"
        if bearer:
            raise statements.TooWeak("A bearer token alone cannot decide this: it needs your signature.")
        if not statements.strong_enough(strength, minimum):
            raise statements.TooWeak(f"This decision needs {NEEDED[minimum]}; {WORDS[strength]} is not enough.")
        if given is not None:
            codes.use(actor, str(given["totp"]), at)
            open_sessions.proved(actor, strength, at)
        row = {"by": str(actor.subject), "strength": strength, "method": strength, "key": "", "sig": "", "role": role}
        return Decided(canon(dict(expected)), row)
    data = _decode(given)
    statements.signed_as_expected(data, expected, free=free)
    row = {"by": str(actor.subject), "strength": "signed", "role": role, **_claimed(actor, given)}
    row["key"] = check_signature(actor, data, row)
    if production:
        _old_enough(row["key"], at)
    open_sessions.proved(actor, "signed", at)
    return Decided(data, row)


def _decode(given: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(given.get("statement", "")), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise InvalidInput([("/signature/statement", "not base64")]) from problem


def _claimed(actor: Person, given: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a signature row that say how it was signed, as a door handed them in."""
    answer = given.get("passkey")
    if not isinstance(answer, Mapping):
        return {"method": "ssh", "sig": str(given.get("signature", ""))}
    credential = str(answer.get("credential", ""))
    known = EnrolledKey.objects.filter(person=actor, method="passkey", credential=credential).first()
    return {
        "method": "passkey",
        "key": known.fingerprint if known else "",
        "sig": str(answer.get("signature", "")),
        "credential": credential,
        "authenticator_data": str(answer.get("authenticator_data", "")),
        "client_data": str(answer.get("client_data", "")),
    }


def check_signature(actor: Person, data: bytes, row: Mapping[str, Any]) -> str:
    """The fingerprint of the actor's enrolled key that made this row. Raises BadSignature, PasskeyCopied."""
    live = EnrolledKey.objects.filter(person=actor, revoked_at__isnull=True)
    fields = ("method", "public", "credential", "algorithm", "rp", "origin")
    keys = {
        key.fingerprint: {"subject": str(actor.subject), **{name: getattr(key, name) for name in fields}}
        for key in live
    }
    mark = signatures.signer(row, data, keys)
    if row["method"] == "passkey":
        _count(mark, passkeys.counter(row))
    return mark


def _old_enough(fingerprint: str, at: datetime) -> None:
    """Raises KeyTooNew."""
    counts = EnrolledKey.objects.values_list("counts_from_at", flat=True).get(fingerprint=fingerprint)
    if counts is not None and counts > at:
        raise KeyTooNew(f"This key replaces another: for production it counts from {counts:%Y-%m-%d %H:%M} UTC.")


def _count(fingerprint: str, counter: int) -> None:
    """Keep the highest sign counter of a passkey; one that counts at all must count up. Raises PasskeyCopied."""
    same = EnrolledKey.objects.filter(fingerprint=fingerprint)
    if not counter and same.filter(sign_count=0).exists():
        return
    if not same.filter(sign_count__lt=counter).update(sign_count=counter):
        raise PasskeyCopied("This passkey counts lower than before: there may be a copy of it.")
