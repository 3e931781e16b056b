"""What people sign: canonical statements over a review, an approval or a change of what decides authority."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.canonical import NotCanonical, canon, moment, parse
from procedures.domain.errors import InvalidInput, OpsError

NAMESPACE = "opsportal-approval"
STRENGTHS = ("session", "totp", "signed")


class StatementMismatch(OpsError):
    """What was signed is not what is asked for now."""

    code = "statement.mismatch"
    next_step = "Fetch the statement again, look at it, and sign that."


class TooWeak(OpsError):
    """The decision is weaker than the environment demands."""

    code = "approval.too-weak"
    next_step = (
        "Give a code of your app where that is enough; else sign the statement with a passkey (on the page) or with an "
        "enrolled SSH key (`--key FILE` on the command line)."
    )


class BadSignature(OpsError):
    """A signature that does not verify, or by a key that is not enrolled for this person."""

    code = "signature.invalid"
    next_step = "Enrol the key on your settings page, then sign the statement with that key."


def strong_enough(strength: str, minimum: str) -> bool:
    return STRENGTHS.index(strength) >= STRENGTHS.index(minimum)


def nonce() -> str:
    return secrets.token_hex(16)


def review_statement(
    *,
    version: UUID,
    procedure: str,
    digest: str,
    verdict: str,
    duties: Sequence[str],
    reviewer: UUID,
    portal: str,
    fresh: str,
) -> dict[str, Any]:
    return {
        "type": "opsportal/review/v1",
        "version": str(version),
        "procedure": procedure,
        "digest": digest,
        "verdict": verdict,
        "duties": sorted(duties),
        "reviewer": str(reviewer),
        "nonce": fresh,
        "portal": portal,
    }


def approval_statement(
    *,
    run: UUID,
    gate: str,
    plan_digest: str,
    digest: str,
    verdict: str,
    approver: UUID,
    not_after: datetime,
    portal: str,
    fresh: str,
) -> dict[str, Any]:
    return {
        "type": "opsportal/approval/v1",
        "run": str(run),
        "gate": gate,
        "plan_digest": plan_digest,
        "digest": digest,
        "verdict": verdict,
        "approver": str(approver),
        "not_after": moment(not_after),
        "nonce": fresh,
        "portal": portal,
    }


def control_statement(
    *, control: str, object: Mapping[str, Any], proposer: UUID, portal: str, fresh: str
) -> dict[str, Any]:
    return {
        "type": "opsportal/control/v1",
        "control": control,
        "object": dict(object),
        "proposer": str(proposer),
        "nonce": fresh,
        "portal": portal,
    }


def signed_as_expected(data: bytes, expected: Mapping[str, Any], *, free: Sequence[str] = ("nonce",)) -> dict[str, Any]:
    """The statement in `data`, if it is canonical and equals `expected` but for the `free` keys, which it must have.

    Raises StatementMismatch, InvalidInput.
    """
    try:
        statement = parse(data)
    except NotCanonical as problem:
        raise InvalidInput([("/signature/statement", f"not a canonical statement: {problem}")]) from problem
    if not isinstance(statement, dict) or set(statement) != set(expected):
        raise StatementMismatch(
            "The signed statement does not have the expected fields.", pointer="/signature/statement"
        )
    for key, value in expected.items():
        if key not in free and canon(statement[key]) != canon(value):
            raise StatementMismatch(
                f"The signed statement says another {key} than what is asked for now.", pointer="/signature/statement"
            )
    return statement
