"""Whether a sealed value in the table is the one that people confirmed, under whichever of the pool's keys."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable

from procedures.domain import sealing
from procedures.domain.controls import Authority
from procedures.issuer.refusals import LeaseRefused

MOST_SEEN = 256
_SEEN_KEY = secrets.token_bytes(32)


def judge_secret(
    authority: Authority, environment: str, name: str, ciphertext: bytes | None, *, value: Callable[[], bytes]
) -> None:
    """The sealed value in the table is the one that people confirmed: anybody can seal to a public key.

    What was sealed anew to a later key of the pool has other bytes: then `value` opens it, and its mark is compared
    with the one that was signed. Raises LeaseRefused, and what `value` raises.
    """
    fact = authority.secrets.get((environment, name))
    if ciphertext is None:
        raise LeaseRefused(f"{environment} holds no sealed secret named {name}.")
    if fact is None or not fact["stands"]:
        raise LeaseRefused(f"The sealed secret {name} is asserted by the platform alone.")
    same = base64.b64decode(fact["ciphertext"]) == bytes(ciphertext)
    if not same and not _marked(fact["fingerprint"], value()):
        raise LeaseRefused(f"The sealed secret {name} in the table is not the one that was confirmed.")


_seen: dict[bytes, str] = {}  # a mark is made to cost, and a step over many hosts asks for each


def _marked(fingerprint: str, value: bytes) -> bool:
    about = hmac.digest(_SEEN_KEY, value, "sha256")
    if about not in _seen:
        if len(_seen) >= MOST_SEEN:
            _seen.clear()
        _seen[about] = sealing.mark(value)
    return _seen[about] == fingerprint
