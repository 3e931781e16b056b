"""The SSH certificate authorities of one environment whose keys lie in files; certificates stay in memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
        key = Ed25519PrivateKey.generate()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        path.with_name(path.name + ".pub").write_bytes(public + b" opsportal-ca\n")
    loaded = load_ssh_private_key(path.read_bytes(), None)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise TypeError(f"{path} is not an Ed25519 key")
    return loaded


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
