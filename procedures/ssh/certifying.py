"""Who signs a certificate: one shape for a key in a file, in a token or at Vault; what comes back is looked at."""

from __future__ import annotations

import base64
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate, SSHCertificateBuilder, SSHCertificateType

from procedures.domain.errors import OpsError
from procedures.ssh.host_certificates import NotThisHost, certified_key, is_untouched, read, signer_of

SKEW_S = 30
Kind = Literal["user", "host"]
KINDS: Mapping[Kind, SSHCertificateType] = {"user": SSHCertificateType.USER, "host": SSHCertificateType.HOST}


class AuthorityAway(OpsError):
    """The certificate authority's key is where it cannot be used now: no token, no right, no answer."""

    code = "ssh.authority-away"
    next_step = "Mend it on the issuer's host; `opsportal keys --for issuer --environment E` there tries it again."


class OtherCertificate(OpsError):
    """The authority gave another certificate than it was asked for; it is thrown away."""

    code = "ssh.other-certificate"
    next_step = "Let the role at the authority give what it is asked for and add nothing (handbook, The issuer)."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be certified, word by word. `public` is "ssh-ed25519 AAAA…"; `options` are critical ones."""

    kind: Kind
    public: str
    principals: Sequence[str]
    key_id: str
    at: datetime
    until: datetime
    options: Mapping[str, str] = field(default_factory=dict)
    extensions: Sequence[str] = ()

    @property
    def since(self) -> int:
        return int(self.at.timestamp()) - SKEW_S


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate as OpenSSH writes it, one line, that says what was wanted and nothing else."""

    certificate: str
    serial: int


class SshAuthority(ABC):
    """Signs certificates with a key that never leaves its place. Safe from several threads."""

    @property
    @abstractmethod
    def public(self) -> str:
        """What hosts or people are told to trust, as "ssh-ed25519 AAAA…". Raises AuthorityAway."""

    @abstractmethod
    def signed(self, wanted: Wanted) -> str:
        """A certificate, one line; `certify` looks at it. Raises AuthorityAway."""

    def signing_key(self) -> Ed25519PrivateKey:
        """The key itself, or its handle, to sign other things than certificates. Raises AuthorityAway."""
        raise AuthorityAway("This authority signs certificates and nothing else.")


AuthorityOf = Callable[[str], SshAuthority]  # of an environment


class KeyAuthority(SshAuthority):
    """A private key, or what signs like one."""

    def __init__(self, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        self.key = key

    @property
    def public(self) -> str:
        return self.key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def signed(self, wanted: Wanted) -> str:
        builder = (
            SSHCertificateBuilder()
            .public_key(load_ssh_public_key(wanted.public.encode()))  # type: ignore[arg-type]
            .serial(secrets.randbits(63))
            .type(KINDS[wanted.kind])
            .key_id(wanted.key_id.encode())
            .valid_principals([name.encode() for name in wanted.principals])
            .valid_after(wanted.since)
            .valid_before(int(wanted.until.timestamp()))
        )
        for name, value in sorted(wanted.options.items()):
            builder = builder.add_critical_option(name.encode(), value.encode())
        for name in sorted(wanted.extensions):
            builder = builder.add_extension(name.encode(), b"")
        return builder.sign(self.key).public_bytes().decode()

    def signing_key(self) -> Ed25519PrivateKey:
        if not isinstance(self.key, Ed25519PrivateKey):
            raise AuthorityAway("This authority's key is no Ed25519 key, which a restricted key's statement needs.")
        return self.key


def certify(authority: SshAuthority, wanted: Wanted) -> Certified:
    """A certificate for exactly what is wanted. Raises AuthorityAway, OtherCertificate."""
    line = " ".join(authority.signed(wanted).split()[:2])
    try:
        found = read(base64.b64decode(line.partition(" ")[2], validate=True))
    except (NotThisHost, ValueError) as problem:
        raise OtherCertificate("The authority answered with no certificate.") from problem
    if wrong := _other(found, wanted, authority.public):
        raise OtherCertificate(f"The authority gave a certificate with {wrong} than it was asked for.")
    return Certified(line, found.serial)


def _other(found: SSHCertificate, wanted: Wanted, authority: str) -> str:
    """What in a certificate differs from what is wanted, or an empty string. A shorter life is no other one."""
    options = {name.encode(): value.encode() for name, value in wanted.options.items()}
    for differs, what in (
        (signer_of(found) != authority or not is_untouched(found), "another signature"),
        (found.type is not KINDS[wanted.kind], "another type"),
        (certified_key(found) != " ".join(wanted.public.split()[:2]), "another key"),
        ([*found.valid_principals] != [name.encode() for name in wanted.principals], "other principals"),
        (dict(found.critical_options) != options, "other critical options"),
        (sorted(found.extensions) != sorted(name.encode() for name in wanted.extensions), "other extensions"),
        (any(found.extensions.values()), "other extensions"),
        (found.key_id.decode(errors="replace") != wanted.key_id, "another key id"),
        (found.valid_before > int(wanted.until.timestamp()), "a longer life"),
        (found.valid_after < wanted.since - SKEW_S, "an earlier beginning"),
        (found.valid_after >= found.valid_before, "no life"),
    ):
        if differs:
            return what
    return ""
