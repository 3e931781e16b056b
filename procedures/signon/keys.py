"""The public keys of those who sign tokens: asked for at a signed address and kept for minutes, or pinned."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from procedures.domain.providers import ProviderUnreachable, SignInRefused
from procedures.domain.workloads import PUBLIC_PARTS
from procedures.signon import egress

LIVE_S, AGAIN_S = 300, 10
MOST, SMALLEST_RSA_BITS = 100, 2048
KINDS = frozenset({"RSA", "EC", "OKP"})  # never a shared secret, whatever a set of keys holds (RFC 8725, 3.1)


@dataclass(slots=True)
class _Kept:
    """What one address showed last. Whoever waits for it waits for this address alone."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: Sequence[jwt.PyJWK] = ()
    at: float = float("-inf")
    asked_at: float = float("-inf")


_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def shown(url: str, kid: str) -> jwt.PyJWK:
    """The key of this id that the address shows. A key that is shown no more holds for five minutes at most.

    An unknown id, or an address that did not answer, is asked for again after ten seconds and not before.
    Raises SignInRefused, ProviderUnreachable.
    """
    with _lock:
        row = _kept.setdefault(url, _Kept())
    with row.lock:
        now = time.monotonic()
        stale = now - row.at > LIVE_S
        if (stale or not _named(row.keys, kid)) and now - row.asked_at > AGAIN_S:
            row.asked_at = now
            row.keys, row.at, stale = _asked(url), now, False
        if stale:
            raise ProviderUnreachable("The issuer of these tokens did not show its keys a moment ago.")
        return one_of(row.keys, kid)


def pinned(rows: Sequence[Mapping[str, Any]], kid: str) -> jwt.PyJWK:
    """The key of this id among those that people signed. Raises SignInRefused."""
    return one_of(_usable(rows), kid)


def one_of(keys: Sequence[jwt.PyJWK], kid: str) -> jwt.PyJWK:
    fitting = _named(keys, kid)
    if not fitting:
        raise SignInRefused("The identity token is signed by a key that the identity provider does not show.")
    return fitting[0]


def problem(row: Mapping[str, Any]) -> str:
    """Why a key that somebody wants to pin is none, or an empty string."""
    return (
        "" if _usable([row]) else f"is no public key to check signatures with (RSA of {SMALLEST_RSA_BITS} bits or more)"
    )


def _asked(url: str) -> Sequence[jwt.PyJWK]:
    found = egress.get(url)
    rows = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) > MOST or not (usable := _usable(rows)):
        raise ProviderUnreachable("The identity provider shows no keys.")
    return usable


def _usable(rows: Sequence[Any]) -> list[jwt.PyJWK]:
    """Those of a set that are public keys for signatures; what is anything else is passed over."""
    found = []
    for row in rows:
        if not isinstance(row, Mapping) or row.get("kty") not in KINDS or row.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK.from_dict({part: row[part] for part in PUBLIC_PARTS if part in row})
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, NotImplementedError):
            continue
        if getattr(key.key, "key_size", SMALLEST_RSA_BITS) >= SMALLEST_RSA_BITS or row["kty"] != "RSA":
            found.append(key)
    return found


def _named(keys: Sequence[jwt.PyJWK], kid: str) -> list[jwt.PyJWK]:
    return [key for key in keys if key.key_id == kid] if kid else list(keys[:1]) if len(keys) == 1 else []
