"""The private keys of one environment: its pool's, with which alone sealed values open, and its authority's."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.ssh.places import authorities, is_there

STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class PoolPair:
    """A pool's key as its file holds it; `public` is base64 of the raw key."""

    path: Path
    key_id: str
    public: str
    private: X25519PrivateKey


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that its owner alone may read; never overwrites."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def files_of(environment: str) -> tuple[str, str]:
    """Names of the two key files that an environment's issuer has, and nobody beside it."""
    return f"pool-{environment}.key", f"ssh-ca-{environment}"


def pool_pairs(folder: Path, environment: str) -> dict[str, PoolPair]:
    """The pool keys of an environment that lie here by id, the oldest first: one, or two while one is turned."""
    first = folder / files_of(environment)[0]
    paths = [*([first] if first.exists() else []), *sorted(folder.glob(f"pool-{environment}.*.key"))]
    return {pair.key_id: pair for pair in map(_pair, paths)}


def pool_key(folder: Path, environment: str) -> tuple[str, str, X25519PrivateKey]:
    """(key id, base64 raw public key, private key) of an environment's newest pool key, made on first use."""
    pairs = list(pool_pairs(folder, environment).values())
    if not pairs:
        path = folder / files_of(environment)[0]
        write_private(path, X25519PrivateKey.generate().private_bytes_raw())
        pairs = [_pair(path)]
    return pairs[-1].key_id, pairs[-1].public, pairs[-1].private


def further_pool_key(folder: Path, environment: str, *, at: datetime) -> Path:
    """One more pool key beside the one that lies here; its issuer has everything sealed to it from now on."""
    path = folder / f"pool-{environment}.{at.astimezone(UTC):{STAMP}}.key"
    write_private(path, X25519PrivateKey.generate().private_bytes_raw())
    return path


def _pair(path: Path) -> PoolPair:
    private = X25519PrivateKey.from_private_bytes(path.read_bytes())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PoolPair(path, hashlib.sha256(public).hexdigest()[:32], base64.b64encode(public).decode(), private)


def ca_public(folder: Path, environment: str) -> str:
    """The public key that targets of an environment are told to trust; its private half is made on first use.

    Raises AuthorityAway where it lies elsewhere and cannot be reached.
    """
    return authorities(folder)(environment).public


def missing(folder: Path, environment: str) -> str:
    """The name of the first of its two files that an issuer does not have, or an empty string."""
    pool, authority = files_of(environment)
    if not (folder / pool).exists():
        return pool
    return "" if is_there(folder, environment) else authority
