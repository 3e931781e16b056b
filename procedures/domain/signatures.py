"""Which enrolled key made a signature row: one answer for the service that takes it and the issuer that replays it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain import passkeys
from procedures.domain.sshkeys import InvalidSignature, verify_sshsig
from procedures.domain.statements import NAMESPACE, BadSignature

Key = Mapping[str, Any]  # as its enrolment event says: subject, public; for a passkey also method, credential, …


def signer(row: Mapping[str, Any], statement: bytes, keys: Mapping[str, Key]) -> str:
    """The fingerprint of the key in `keys` that made this row over `statement`, held by the very person of the row.

    Raises BadSignature.
    """
    if row.get("method") == "ssh":
        mark = _ssh(row, statement)
    elif row.get("method") == "passkey":
        mark = str(row.get("key", ""))
    else:
        raise BadSignature("Neither an SSH signature nor a passkey's.", pointer="/signature")
    key = keys.get(mark)
    if key is None or key["subject"] != row.get("by") or key.get("method", "ssh") != row["method"]:
        raise BadSignature(f"The key {mark} is not enrolled for this person.".replace("  ", " "), pointer="/signature")
    if row["method"] == "passkey":
        try:
            passkeys.check(row, statement, key)
        except passkeys.AssertionRefused as problem:
            raise BadSignature(f"The signature does not verify: {problem}", pointer="/signature") from problem
    return mark


def _ssh(row: Mapping[str, Any], statement: bytes) -> str:
    try:
        return verify_sshsig(str(row.get("sig", "")), statement, NAMESPACE).fingerprint
    except (InvalidSignature, ValueError) as problem:
        raise BadSignature(f"The signature does not verify: {problem}", pointer="/signature") from problem
