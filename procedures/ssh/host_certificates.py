"""What a host shows where a certificate is demanded of it: read, and judged before anybody logs in.

Source of the format: OpenSSH, PROTOCOL.certkeys. A certificate stands beside the confirmed key and never for it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)

from procedures.domain.canonical import moment
from procedures.domain.ports import Target
from procedures.domain.sshkeys import fingerprint

SUFFIX = "-cert-v01@openssh.com"


@dataclass(frozen=True, slots=True)
class Demanded:
    """The host must show a certificate of `authority` ("ssh-ed25519 AAAA…") for this name and this key."""

    name: str
    authority: str
    host_key: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate that was judged and let pass; `authority` is the fingerprint of who signed it."""

    serial: int
    key_id: str
    authority: str
    valid_until_at: datetime

    @property
    def facts(self) -> Mapping[str, str]:
        return {
            "serial": str(self.serial),
            "key_id": self.key_id,
            "authority": self.authority,
            "until": moment(self.valid_until_at),
        }


class NotThisHost(Exception):
    """Why a host certificate is not the one that is demanded; the reason is a whole sentence's end."""


def demanded_of(target: Target) -> Demanded | None:
    """What a target demands of its host beside its confirmed key; None where that key is enough."""
    if not target.host_authority:
        return None
    return Demanded(target.name, target.host_authority, target.host_key)


def algorithms(host_key: str) -> tuple[str, ...]:
    """What a host may be asked for: certificates of the confirmed key's own kind, and no plain key."""
    kind = host_key.split(maxsplit=1)[0]
    plain = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
    return tuple(name + SUFFIX for name in plain)


def read(blob: bytes) -> SSHCertificate:
    """A certificate as it crosses the wire. Raises NotThisHost."""
    try:
        kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
        found = load_ssh_public_identity(kind + b" " + base64.b64encode(blob))
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, binascii.Error) as problem:
        raise NotThisHost("shows a host certificate that cannot be read") from problem
    if not isinstance(found, SSHCertificate):
        raise NotThisHost("shows a plain key where a host certificate is demanded")
    return found


def judged(blob: bytes, demanded: Demanded, *, at: datetime) -> Shown:
    """The certificate, if every one of its words is right. Raises NotThisHost at the first that is not."""
    found = read(blob)
    until = _moment(found.valid_before)
    for wrong, why in (
        (found.type is not SSHCertificateType.HOST, "shows a certificate for a person, not for a host"),
        (signer_of(found) != _bare(demanded.authority), "shows a host certificate of another authority"),
        (not is_untouched(found), "shows a host certificate whose signature does not verify"),
        (
            certified_key(found) != _bare(demanded.host_key),
            "shows a certificate of another host key than the confirmed one",
        ),
        (demanded.name.encode() not in found.valid_principals, f"shows a host certificate without {demanded.name}"),
        (bool(found.critical_options), "shows a host certificate with critical options, which nobody here knows"),
        (at < _moment(found.valid_after), "shows a host certificate that is not valid yet"),
        (at >= until, f"shows a host certificate that ended at {moment(until)}"),
    ):
        if wrong:
            raise NotThisHost(why)
    return Shown(found.serial, found.key_id.decode(errors="replace"), fingerprint(demanded.authority), until)


def signer_of(certificate: SSHCertificate) -> str:
    return certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def certified_key(certificate: SSHCertificate) -> str:
    return certificate.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def is_untouched(certificate: SSHCertificate) -> bool:
    try:
        certificate.verify_cert_signature()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _bare(key: str) -> str:
    return " ".join(key.split()[:2])


def _moment(seconds: int) -> datetime:
    """Seconds since 1970; "for ever" (2^64-1) is the last moment that a date can name."""
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC)
