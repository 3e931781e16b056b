"""OpenSSH public keys and signatures (PROTOCOL.sshsig): fingerprints, verifying, and signing with a key at hand."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature as _Invalid
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from procedures.domain.errors import OpsError

MAGIC = b"SSHSIG"
AUTHORITY = "x509-ca"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


class InvalidSignature(OpsError):
    """A signature or key that is malformed, of a kind we do not take, or that does not verify."""

    code = "ssh.signature-invalid"
    next_step = "Sign again with `ssh-keygen -Y sign -n opsportal-approval` and an Ed25519, ECDSA P-256 or RSA key."


@dataclass(frozen=True, slots=True)
class PublicKeyInfo:
    """`blob` is the wire form, `fingerprint` "SHA256:…" as ssh-keygen prints it."""

    kind: str
    blob: bytes
    fingerprint: str


def fingerprint(public: str) -> str:
    """`SHA256:…` of "ssh-ed25519 AAAA… [comment]". Raises InvalidSignature."""
    parts = public.split()
    if len(parts) < 2:
        raise InvalidSignature("This is not an OpenSSH public key.")
    try:
        load_ssh_public_key(f"{parts[0]} {parts[1]}".encode())
        blob = base64.b64decode(parts[1], validate=True)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as problem:
        raise InvalidSignature("This is not an OpenSSH public key.") from problem
    return blob_fingerprint(blob)


def target_fingerprint(key: str) -> str:
    """`SHA256:…` of what a target is known by: its host key, or a cluster's authority as "x509-ca DER".

    Raises InvalidSignature.
    """
    kind, _, text = key.partition(" ")
    if kind != AUTHORITY:
        return fingerprint(key)
    try:
        blob = base64.b64decode(text, validate=True)
        x509.load_der_x509_certificate(blob)
    except (ValueError, binascii.Error) as problem:
        raise InvalidSignature("This is not a certificate of an authority.") from problem
    return blob_fingerprint(blob)


def blob_fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    if len(data) < 4:
        raise InvalidSignature("The signature ends too early.")
    (length,) = struct.unpack(">I", data[:4])
    if length > len(data) - 4:
        raise InvalidSignature("The signature ends too early.")
    return data[4 : 4 + length], data[4 + length :]


def _signed_data(namespace: bytes, hash_name: bytes, message: bytes) -> bytes:
    digest = hashlib.new(hash_name.decode(), message).digest()
    return MAGIC + _string(namespace) + _string(b"") + _string(hash_name) + _string(digest)


def verify_sshsig(armored: str, message: bytes, namespace: str) -> PublicKeyInfo:
    """The key that made this signature over `message`. Raises InvalidSignature."""
    blob = _unarmor(armored)
    if not blob.startswith(MAGIC + b"\x00\x00\x00\x01"):
        raise InvalidSignature("This is not an SSH signature of version 1.")
    key, rest = _take(blob[10:])
    space, rest = _take(rest)
    _, rest = _take(rest)
    hash_name, rest = _take(rest)
    signature, rest = _take(rest)
    if rest or space != namespace.encode() or hash_name not in (b"sha512", b"sha256"):
        raise InvalidSignature(f"The signature was made for another purpose than {namespace}.")
    kind, raw = _take(key)[0], signature
    algorithm, raw = _take(raw)
    raw, left = _take(raw)
    if left and not algorithm.startswith(b"sk-"):
        raise InvalidSignature("The signature has bytes left over.")
    _check(key, kind, algorithm, raw, _signed_data(space, hash_name, message))
    return PublicKeyInfo(kind.decode(), key, blob_fingerprint(key))


def _unarmor(armored: str) -> bytes:
    text = armored.strip()
    if not text.startswith(BEGIN) or not text.endswith(END):
        raise InvalidSignature("This is not an armoured SSH signature.")
    try:
        return base64.b64decode("".join(text[len(BEGIN) : -len(END)].split()), validate=True)
    except binascii.Error as problem:
        raise InvalidSignature("The armour of the signature is broken.") from problem


def _check(key: bytes, kind: bytes, algorithm: bytes, raw: bytes, data: bytes) -> None:
    try:
        public: Any = load_ssh_public_key(kind + b" " + base64.b64encode(key))
        if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == b"ssh-ed25519":
            public.verify(raw, data)
        elif isinstance(public, ec.EllipticCurvePublicKey) and algorithm == b"ecdsa-sha2-nistp256":
            r, rest = _take(raw)
            s, _ = _take(rest)
            both = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
            public.verify(both, data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(public, rsa.RSAPublicKey) and algorithm in (b"rsa-sha2-512", b"rsa-sha2-256"):
            digest = hashes.SHA512() if algorithm.endswith(b"512") else hashes.SHA256()
            public.verify(raw, data, padding.PKCS1v15(), digest)
        else:
            raise InvalidSignature(f"Keys of the kind {kind.decode(errors='replace')} are not taken.")
    except (_Invalid, ValueError, UnsupportedAlgorithm) as problem:
        raise InvalidSignature("The signature does not verify.") from problem


def sign_sshsig(private: ed25519.Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """What `ssh-keygen -Y sign` would print, for an Ed25519 key."""
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    key = base64.b64decode(public.split()[1])
    raw = private.sign(_signed_data(namespace.encode(), b"sha512", message))
    signature = _string(b"ssh-ed25519") + _string(raw)
    blob = MAGIC + b"\x00\x00\x00\x01" + _string(key) + _string(namespace.encode()) + _string(b"")
    blob += _string(b"sha512") + _string(signature)
    text = base64.b64encode(blob).decode()
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    return "\n".join([BEGIN, *lines, END]) + "\n"
