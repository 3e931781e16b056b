"""Public keys of passkeys: COSE in the one canonical form that is stored, signed by people and read by verify.py.

RFC 9052 and 9053 in CTAP2's order; ES256 (P-256), EdDSA (Ed25519) and RS256 alone. Each form is a fixed frame around
the key's numbers, so reading is comparing: there is no second way to write the same key.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from procedures.domain.errors import OpsError

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
ALGORITHMS: Mapping[int, str] = {-7: "ES256", -8: "EdDSA", -257: "RS256"}
ES256 = bytes.fromhex("a5010203262001215820")
ES256_Y = bytes.fromhex("225820")
EDDSA = bytes.fromhex("a4010103272006215820")
RS256 = bytes.fromhex("a401030339010020")
RSA_BYTES = range(256, 513)  # 2,048 to 4,096 bits


class KeyNotTaken(OpsError):
    """A public key of a kind we do not take, or not in its canonical form."""

    code = "passkey.key-not-taken"
    next_step = "Make the passkey on a device that offers ES256, EdDSA or RS256 (every common one does)."


def encoded(key: Mapping[int, Any]) -> bytes:
    """The canonical form of a COSE key map, as an authenticator handed it over. Raises KeyNotTaken."""
    algorithm = key.get(3)
    if algorithm == -7 and (key.get(1), key.get(-1)) == (2, 1):
        data = ES256 + _octets(key, -2) + ES256_Y + _octets(key, -3)
    elif algorithm == -8 and (key.get(1), key.get(-1)) == (1, 6):
        data = EDDSA + _octets(key, -2)
    elif algorithm == -257 and key.get(1) == 3:
        n, e = _octets(key, -1).lstrip(b"\x00"), _octets(key, -2).lstrip(b"\x00")
        data = RS256 + b"\x59" + len(n).to_bytes(2, "big") + n + b"\x21" + bytes([0x40 + len(e)]) + e
    else:
        raise KeyNotTaken(f"A passkey of the algorithm {algorithm!r} is not taken.")
    decoded(data)
    return data


def _octets(key: Mapping[int, Any], label: int) -> bytes:
    value = key.get(label)
    if not isinstance(value, bytes) or len(value) > RSA_BYTES.stop:
        raise KeyNotTaken("The passkey's public key is not well-formed.")
    return value


def decoded(data: bytes) -> tuple[str, PublicKey]:
    """(algorithm, public key) of canonical bytes. Raises KeyNotTaken for any other byte string."""
    try:
        if data.startswith(ES256) and len(data) == 77 and data[42:45] == ES256_Y:
            x, y = int.from_bytes(data[10:42], "big"), int.from_bytes(data[45:], "big")
            return "ES256", ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        if data.startswith(EDDSA) and len(data) == 42:
            return "EdDSA", ed25519.Ed25519PublicKey.from_public_bytes(data[10:])
        if data.startswith(RS256):
            return "RS256", _rsa(data[len(RS256) :])
    except ValueError as problem:
        raise KeyNotTaken(f"The passkey's public key is not one: {problem}") from problem
    raise KeyNotTaken("The passkey's public key is not in its canonical form.")


def _rsa(rest: bytes) -> rsa.RSAPublicKey:
    size = int.from_bytes(rest[1:3], "big")
    n, tail = rest[3 : 3 + size], rest[3 + size :]
    e = tail[2:]
    frame = rest[:1] == b"\x59" and tail[:1] == b"\x21" and tail[1:2] == bytes([0x40 + len(e) % 32])
    if not frame or size not in RSA_BYTES or len(n) != size or n[0] < 1 or not 1 <= len(e) <= 4 or e[0] < 1:
        raise KeyNotTaken("The passkey's RSA key is not in its canonical form, or not of 2,048 to 4,096 bits.")
    key = rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big")).public_key()
    if key.key_size < 2048:
        raise KeyNotTaken("The passkey's RSA key is shorter than 2,048 bits.")
    return key


def fingerprint(data: bytes) -> str:
    """`SHA256:…` of the canonical form, written as ssh-keygen writes that of an SSH key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `key` made `signature` over `message`, by the one algorithm of its kind."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
