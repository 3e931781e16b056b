"""Codes of an app (RFC 6238: SHA-1, six digits, thirty seconds), which is what every such app takes."""

from __future__ import annotations

import base64
import hmac
import os
from datetime import datetime
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from procedures.domain.secrets import Secret

DIGITS, STEP_S, DRIFT = 6, 30, 1
SECRET_BYTES = 20


def new_secret() -> Secret:
    return Secret(os.urandom(SECRET_BYTES))


def as_text(secret: Secret) -> str:
    """The secret in base32, as people type it into an app."""
    return base64.b32encode(secret.reveal()).decode()


def uri(secret: Secret, *, account: str, issuer: str) -> str:
    """What an app reads from a QR code."""
    label = quote(f"{issuer}:{account}")
    return f"otpauth://totp/{label}?{urlencode({'secret': as_text(secret), 'issuer': issuer}, quote_via=quote)}"


def code_at(secret: Secret, step: int) -> str:
    """The code of one time step."""
    app = TOTP(secret.reveal(), DIGITS, SHA1(), STEP_S)  # noqa: S303 - the algorithm that the apps know
    return app.generate(step * STEP_S).decode()


def step_of(code: str, secret: Secret, at: datetime) -> int | None:
    """The time step whose code this is, one before or after now included; None for any other text."""
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    now = int(at.timestamp()) // STEP_S
    found = [
        step
        for step in range(now - DRIFT, now + DRIFT + 1)
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode())
    ]
    return found[-1] if found else None
