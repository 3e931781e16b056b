"""The SSH certificate authorities of one environment whose keys lie in files; certificates stay in memory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from procedures.domain.sshkeys import fingerprint
from procedures.ssh.certifying import SKEW_S, AuthorityAway, KeyAuthority, SshAuthority, Wanted, certify

__all__ = ["HOSTS", "SKEW_S", "USERS", "Issued", "in_file", "issue", "load_ca", "mark_of"]
USERS, HOSTS = "ssh-ca", "host-ca"


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh key pair and its certificate, as OpenSSH writes them."""

    private_key: bytes
    certificate: str
    serial: int


def load_ca(path: Path) -> Ed25519PrivateKey:
    """The CA key in `path` (OpenSSH form, 0600), made on first use with its `.pub` beside it."""
    if not path.exists():
        _make(path)
    loaded = load_ssh_private_key(path.read_bytes(), None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise TypeError(f"{path} is not an Ed25519 key")
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        told = loaded.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        public.write_bytes(told + b" opsportal-ca\n")
    return loaded


def _make(path: Path) -> None:
    """Nobody reads half a key, and of many that are made at once one stands."""
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(key)
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


def in_file(path: Path) -> KeyAuthority:
    """The authority whose key lies in a file, made on first use. Raises AuthorityAway."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return KeyAuthority(load_ca(path))
    except (OSError, ValueError, TypeError) as problem:
        raise AuthorityAway(f"{path} is no authority's key that can be read: {type(problem).__name__}.") from problem


def issue(
    ca: Ed25519PrivateKey | SshAuthority,
    *,
    principals: Sequence[str],
    key_id: str,
    options: Mapping[str, str],
    at: datetime,
    until: datetime,
    extensions: Sequence[str] = (),
) -> Issued:
    """A user certificate for a key that never existed before. `options` are critical options.

    Raises AuthorityAway, OtherCertificate.
    """
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    wanted = Wanted("user", public, principals, key_id, at, until, options, extensions)
    made = certify(ca if isinstance(ca, SshAuthority) else KeyAuthority(ca), wanted)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return Issued(private, made.certificate, made.serial)


def mark_of(private: bytes) -> str:
    """The fingerprint by which a host's own log names a key; empty for what is no private key in OpenSSH's form."""
    try:
        public = load_ssh_private_key(private, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ""
    return fingerprint(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
