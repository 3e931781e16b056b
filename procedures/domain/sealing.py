"""Sealing to a pool's public key (HPKE, RFC 9180): the web tier can only encrypt, a swapped row does not open."""

from __future__ import annotations

import base64
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from procedures.domain.errors import OpsError

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class WillNotOpen(OpsError):
    """A sealed value that this pool's key does not open, or that stands in another row than it was sealed for."""

    code = "secret.will-not-open"
    next_step = "Seal the value again to the pool's present key."


def seal(public: str, value: bytes, *, info: str) -> bytes:
    """`public` is base64 of the raw X25519 key; `info` names the row for which the value is meant."""
    key = X25519PublicKey.from_public_bytes(base64.b64decode(public))
    return bytes(_SUITE.encrypt(value, key, info.encode()))


def key_id_of(public: str) -> str:
    """The name of a pool's key, made from its raw public half (base64)."""
    return hashlib.sha256(base64.b64decode(public)).hexdigest()[:32]


def secret_object(*, environment: str, name: str, value: bytes, pool: str) -> dict[str, str]:
    """The control object of a static secret, sealed to the pool whose raw public key is `pool` (base64)."""
    return {
        "environment": environment,
        "name": name,
        "pool_key_id": key_id_of(pool),
        "ciphertext": base64.b64encode(seal(pool, value, info=f"secret/{environment}/{name}")).decode(),
        "fingerprint": mark(value),
    }


def mark(value: bytes) -> str:
    """The same for the same value in every environment, so that one value in two of them is refused (rule 18).

    It stands in the log, so that guessing must cost: scrypt, 32 MiB and about 0.1 s per guess.
    """
    return hashlib.scrypt(value, salt=b"opsportal/secret-mark/v1", n=2**15, r=8, p=1, maxmem=2**26, dklen=32).hex()


def unseal(private: X25519PrivateKey, box: bytes, *, info: str) -> bytes:
    """Raises WillNotOpen."""
    try:
        return bytes(_SUITE.decrypt(box, private, info.encode()))
    except (InvalidTag, ValueError) as problem:
        raise WillNotOpen("The sealed value does not open with this key for this row.") from problem
