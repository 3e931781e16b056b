"""A runner's own keys: its signing key, and the pool keys with which alone sealed secrets open."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.domain.ids import uuid7

DISPOSABLE = "disposable"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this runner is. `sign` is the only use of the private key."""

    id: UUID
    name: str
    key: Ed25519PrivateKey

    def sign(self, payload: bytes) -> bytes:
        return self.key.sign(payload)

    @property
    def public(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that its owner alone may read; never overwrites."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def load_identity(folder: Path, *, name: str = "runner", called: str = "") -> Identity:
    """The identity kept in `folder`/`name`.json, made on first use; then it is `called` so, or like its file."""
    path = folder / f"{name}.json"
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        row = {"id": str(uuid7()), "name": called or name, "seed": key.private_bytes_raw().hex()}
        write_private(path, json.dumps(row).encode())
    row = json.loads(path.read_text())
    return Identity(UUID(row["id"]), row["name"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["seed"])))


def pool_key(folder: Path, environment: str) -> tuple[str, str, X25519PrivateKey]:
    """(key id, base64 raw public key, private key) of an environment's pool, made on first use."""
    path = folder / f"pool-{environment}.key"
    if not path.exists():
        write_private(path, X25519PrivateKey.generate().private_bytes_raw())
    private = X25519PrivateKey.from_private_bytes(path.read_bytes())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(public).hexdigest()[:32], base64.b64encode(public).decode(), private
