"""Identity tokens of one step, and which of an environment's keys signs them and which are shown.

Sources: RFC 7515 (signatures), RFC 7517 and 7638 (keys and their ids), OpenID Connect Core 1.0, Discovery 1.0.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from procedures.domain.errors import OpsError

ALGORITHM = "RS256"  # what every cloud's trust takes; some take nothing else
AHEAD = timedelta(hours=24)  # shown before it signs, so that whoever keeps the set knows it
AFTER = timedelta(hours=24)  # shown after it signed for the last time: longer than any token lives
AUDIENCE = re.compile(r"^[A-Za-z0-9/][A-Za-z0-9._:/@-]{0,199}$")  # one party, never a wildcard
LONGEST_SUBJECT = 255  # OpenID Connect Core 1.0, 2
WORD = re.compile(r"^[a-z0-9][a-z0-9_./-]*$")
DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
CLAIMS = (
    *("iss", "sub", "aud", "iat", "nbf", "exp", "jti", "environment", "procedure", "digest", "run", "run_no"),
    *("step", "attempt", "requester", "approvers", "target"),
)


class NoSubject(OpsError):
    """The names of a run make no subject that an OpenID provider may say."""

    code = "identity.no-subject"
    next_step = "Give the procedure or its step a shorter name."


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now, under the id by which it is shown, and the address of the provider that it speaks for."""

    issuer: str
    kid: str
    private: RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Ring:
    """Keys by name: the one that signs, those that are shown (with it), and those whose time is over."""

    signing: str
    shown: tuple[str, ...]
    over: tuple[str, ...]


def ring(made: Mapping[str, datetime], *, at: datetime) -> Ring:
    """What each of an environment's keys is for now; `made` says since when each is there, and is not empty.

    The first signs at once. A later one is shown for a day before it signs; the one before it for a day after that.
    """
    names = sorted(made, key=lambda name: (made[name], name))
    begins = [made[name] + (AHEAD if number else timedelta()) for number, name in enumerate(names)]
    signing = max([number for number, begin in enumerate(begins) if begin <= at], default=0)
    first = next(number for number in range(signing + 1) if number == signing or begins[number + 1] + AFTER > at)
    return Ring(names[signing], tuple(names[first:]), tuple(names[:first]))


def public_jwk(key: RSAPublicKey) -> dict[str, str]:
    """The public half as a set of keys shows it. Its id is its RFC 7638 thumbprint, and never changes."""
    numbers = key.public_numbers()
    parts = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    kid = _text(hashlib.sha256(_json(parts)).digest())
    return {**parts, "kid": kid, "use": "sig", "alg": ALGORITHM}


def signed(claims: Mapping[str, Any], signer: Signer) -> bytes:
    """The token: header, claims and signature."""
    head = {"alg": ALGORITHM, "kid": signer.kid, "typ": "JWT"}
    words = f"{_text(_json(head))}.{_text(_json(claims))}".encode()
    return words + b"." + _text(signer.private.sign(words, PKCS1v15(), hashes.SHA256())).encode()


def subject(*, environment: str, procedure: str, digest: str, step: str, run: str) -> str:
    """Who a token speaks for, from the wide to the narrow, so that a trust policy may end it with a wildcard anywhere.

    No part can be made to look like the next one: names have no colon. Raises NoSubject.
    """
    if not all(map(WORD.fullmatch, (environment, procedure, step, run))) or not DIGEST.fullmatch(digest):
        raise NoSubject("The names of environment, procedure, step and run are plain words, and the digest is one.")
    made = f"environment:{environment}:procedure:{procedure}:digest:{digest}:step:{step}:run:{run}"
    if len(made) > LONGEST_SUBJECT:
        raise NoSubject(f"The subject has {len(made)} characters; OpenID allows {LONGEST_SUBJECT}.")
    return made


def discovery(issuer: str) -> dict[str, Any]:
    """What a provider says of itself. Nobody signs in here: there is no address for that."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "subject_types_supported": ["public"],
        "response_types_supported": ["id_token"],
        "scopes_supported": ["openid"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": list(CLAIMS),
    }


def issuer_of(origin: str, environment: str) -> str:
    """Each environment is a provider of its own: no key of one can speak for another."""
    return f"{origin.rstrip('/')}/identity/{environment}"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
