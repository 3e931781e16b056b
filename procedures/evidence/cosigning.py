"""C2SP cosignatures (cosignature/v1): a witness says when it saw a log's tree, and that nothing was rewritten."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.evidence.notes import COSIGNATURE, Line, Verifier, signed

LENGTH = 8 + 64


@dataclass(frozen=True, slots=True)
class CosigningKey:
    """A witness's private key under its name."""

    name: str
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, COSIGNATURE, self.private.public_key().public_bytes_raw())

    def cosign(self, text: str, at_s: int) -> Line:
        """A line for the checkpoint `text`: as of `at_s` (POSIX) its tree is the largest one seen under its origin."""
        signature = struct.pack(">Q", at_s) + self.private.sign(message(text, at_s))
        return Line(self.name, self.verifier.mark, signature)


def message(text: str, at_s: int) -> bytes:
    """What is signed: never the bare text, so that no cosignature can pass for a log's own signature."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def cosigned_at(line: Line, verifier: Verifier, text: str) -> datetime | None:
    """When `verifier` cosigned the checkpoint `text` by this line; None if it did not."""
    if not line.is_of(verifier) or len(line.signature) != LENGTH:
        return None
    (at_s,) = struct.unpack(">Q", line.signature[:8])
    if at_s >= 2**63 or not signed(verifier.raw, message(text, at_s), line.signature[8:]):
        return None
    try:
        return datetime.fromtimestamp(at_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None
