"""Keys and certificates that tests make and throw away."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from procedures.domain.clock import now


@dataclass(frozen=True)
class Pair:
    """A key and its certificate: PEM both, and the certificate in base64 alone."""

    key: str
    certificate: str
    der: str


def signed_by_itself(host: str = "idp", address: str = "") -> Pair:
    """Good for a host's name, and for an address if one is given."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if address:
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    return Pair(key.private_bytes(*form).decode(), pem, der)
