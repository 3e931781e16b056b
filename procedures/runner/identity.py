"""A runner's own key, with which it signs what it saw and proves who it is."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from procedures.domain.ids import uuid7
from procedures.issuer.keys import write_private

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


def load_identity(folder: Path, *, name: str = "runner", called: str = "") -> Identity:
    """The identity kept in `folder`/`name`.json, made on first use; then it is `called` so, or like its file."""
    path = folder / f"{name}.json"
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        row = {"id": str(uuid7()), "name": called or name, "seed": key.private_bytes_raw().hex()}
        write_private(path, json.dumps(row).encode())
    row = json.loads(path.read_text())
    return Identity(UUID(row["id"]), row["name"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(row["seed"])))
