"""The SSH certificate authority of one environment: a key in a file, certificates in memory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificateBuilder, SSHCertificateType

SKEW_S = 30


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


def issue(
    ca: Ed25519PrivateKey,
    *,
    principals: Sequence[str],
    key_id: str,
    options: Mapping[str, str],
    at: datetime,
    until: datetime,
    extensions: Sequence[str] = (),
) -> Issued:
    """A user certificate for a key that never existed before. `options` are critical options."""
    key = Ed25519PrivateKey.generate()
    serial = secrets.randbits(63)
    builder = (
        SSHCertificateBuilder()
        .public_key(key.public_key())
        .serial(serial)
        .type(SSHCertificateType.USER)
        .key_id(key_id.encode())
        .valid_principals([name.encode() for name in principals])
        .valid_after(int(at.timestamp()) - SKEW_S)
        .valid_before(int(until.timestamp()))
    )
    for name, value in sorted(options.items()):
        builder = builder.add_critical_option(name.encode(), value.encode())
    for name in sorted(extensions):
        builder = builder.add_extension(name.encode(), b"")
    certificate = builder.sign(ca).public_bytes().decode()
    return Issued(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), certificate, serial)
