"""A host that must show a certificate: what a real sshd shows is judged before the first byte of a login."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificateBuilder, SSHCertificateType

from procedures.actions.ssh import SshCommand
from procedures.domain.clock import now
from procedures.domain.ports import Target
from procedures.domain.sshkeys import fingerprint
from procedures.ssh import host_certificates
from procedures.ssh.contact import contact
from procedures.ssh.host_certificates import Demanded, NotThisHost, demanded_of
from procedures.ssh.transport import HostCertificateRefused, HostKeyRefused, greet
from tests.actions.calls import Collected, call
from tests.ssh.conftest import Place

HOUR = timedelta(hours=1)
AUTHORITY = Ed25519PrivateKey.generate()


def public(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def certificate(host_key: str, **changes: Any) -> str:
    """One that is right in every word, but for what is changed."""
    words: dict[str, Any] = {
        "ca": AUTHORITY,
        "names": [b"web-01"],
        "since": now() - HOUR,
        "until": now() + HOUR,
        "type": SSHCertificateType.HOST,
        "options": {},
        **changes,
    }
    made = SSHCertificateBuilder().public_key(load_ssh_public_key(host_key.encode())).serial(7)  # type: ignore[arg-type]
    made = made.type(words["type"]).key_id(b"host=web-01")
    made = made.valid_principals(words["names"]) if words["names"] else made.valid_for_all_principals()
    made = made.valid_after(int(words["since"].timestamp())).valid_before(int(words["until"].timestamp()))
    for name, value in words["options"].items():
        made = made.add_critical_option(name, value)
    return made.sign(words["ca"]).public_bytes().decode()


def tampered(line: str) -> str:
    """The same with another name in it, under the old signature."""
    kind, text = line.split()[:2]
    blob = base64.b64decode(text).replace(b"host=web-01", b"host=web-02")
    return f"{kind} {base64.b64encode(blob).decode()}"


@pytest.fixture
def demanding(place: Place) -> Iterator[Target]:
    """The target, of which a certificate is demanded; its host shows none as yet."""
    yield replace(place.target, host_authority=public(AUTHORITY))
    place.host.certify("")


def greeted(target: Target) -> host_certificates.Shown | None:
    transport = greet(
        address=target.address, port=target.port, host_key=target.host_key, demanded=demanded_of(target), seconds=5
    )
    transport.close()
    return transport.shown


def test_a_right_certificate_is_let_pass_and_evidence_names_it(place: Place, demanding: Target) -> None:
    place.host.certify(certificate(place.host.host_key))
    action, io = SshCommand(), Collected()
    asked = call(input={"argv": ["true"]}, target=demanding)
    result = action.run(replace(asked, lease=place.lease(action, asked)), io)
    assert result.outcome == "succeeded"
    shown = result.facts["host_certificate"]
    assert shown == {
        "serial": "7",
        "key_id": "host=web-01",
        "authority": fingerprint(public(AUTHORITY)),
        "until": shown["until"],
    }
    state, ends = contact(demanding)
    assert (state, "Its host certificate ends at" in ends) == ("reached", True), "an hour is left"
    place.host.certify(certificate(place.host.host_key, until=now() + 48 * 30 * HOUR))
    assert contact(demanding) == ("reached", "")


REFUSED: Mapping[str, tuple[Callable[[], Mapping[str, Any]], str]] = {
    "wrong name": (lambda: {"names": [b"web-02"]}, "without web-01"),
    "any name": (lambda: {"names": []}, "without web-01"),
    "a name that only begins so": (lambda: {"names": [b"web-01.example.org"]}, "without web-01"),
    "other authority": (lambda: {"ca": Ed25519PrivateKey.generate()}, "another authority"),
    "expired": (lambda: {"since": now() - 2 * HOUR, "until": now() - timedelta(seconds=5)}, "ended at"),
    "not yet valid": (lambda: {"since": now() + HOUR, "until": now() + 2 * HOUR}, "not valid yet"),
    "user type": (lambda: {"type": SSHCertificateType.USER}, "for a person"),
    "unknown critical option": (lambda: {"options": {b"fly@example.org": b"yes"}}, "critical options"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_a_certificate_of_a_real_sshd_is_refused_before_anybody_logs_in(
    place: Place, demanding: Target, row: str
) -> None:
    changes, why = REFUSED[row]
    place.host.certify(certificate(place.host.host_key, **changes()))
    before = len(place.host.log)
    action, io = SshCommand(), Collected()
    asked = call(input={"argv": ["true"]}, target=demanding)
    result = action.run(replace(asked, lease=place.lease(action, asked)), io)
    assert (result.outcome, result.facts["refused"]) == ("unreachable", "ssh.host-certificate-refused")
    assert why in result.message
    time.sleep(0.1)
    assert "Accepted" not in place.host.log[before:]
    assert "publickey" not in place.host.log[before:], "not a byte of a login was sent"
    assert contact(demanding)[0] == "other_key"


def test_a_tampered_certificate_is_no_certificate(place: Place, demanding: Target) -> None:
    """A real sshd does not even load it; whoever shows it all the same is refused by its signature."""
    bad = tampered(certificate(place.host.host_key))
    place.host.certify(bad)
    with pytest.raises(HostCertificateRefused, match="shows no host certificate"):
        greeted(demanding)
    demanded = demanded_of(demanding)
    assert demanded is not None
    with pytest.raises(NotThisHost, match="signature does not verify"):
        host_certificates.judged(base64.b64decode(bad.split()[1]), demanded, at=now())


def test_a_host_that_lost_its_certificate_is_refused_though_it_shows_its_confirmed_key(
    place: Place, demanding: Target
) -> None:
    place.host.certify(certificate(place.host.host_key))
    assert greeted(demanding) is not None
    place.host.certify("")
    with pytest.raises(HostCertificateRefused, match="shows no host certificate, though its target demands one"):
        greeted(demanding)
    assert greeted(replace(demanding, host_authority="")) is None, "without the demand its key is enough"


def test_another_key_is_refused_whoever_certified_it(place: Place, demanding: Target) -> None:
    """Whoever stole the authority of hosts cannot be a host: the key that people confirmed is asked for besides."""
    place.host.certify(certificate(place.host.host_key))
    with pytest.raises(HostCertificateRefused, match="another host key"):
        greeted(replace(demanding, host_key=public(Ed25519PrivateKey.generate())))


def test_a_host_with_a_certificate_is_still_known_by_its_key_where_none_is_demanded(place: Place) -> None:
    place.host.certify(certificate(place.host.host_key, until=now() - timedelta(minutes=1)))
    assert greeted(place.target) is None
    with pytest.raises(HostKeyRefused):
        greeted(replace(place.target, host_key=public(Ed25519PrivateKey.generate())))
    place.host.certify("")


@pytest.mark.parametrize(
    "bad", [b"", b"\x00\x00\x00\x20short", b"\xff\xff\xff\xff", b"\x00\x00\x00\x03abc" * 9], ids=range(4)
)
def test_what_is_no_certificate_is_refused_without_a_traceback(bad: bytes) -> None:
    key = public(AUTHORITY)
    with pytest.raises(NotThisHost):
        host_certificates.judged(bad, Demanded("web-01", key, key), at=now())


def test_a_plain_key_and_one_cut_short_are_no_certificates() -> None:
    key = public(AUTHORITY)
    plain = base64.b64decode(key.split()[1])
    whole = base64.b64decode(certificate(key).split()[1])
    for bad in (plain, whole[:-1], whole + b"x", whole[: len(whole) // 2]):
        with pytest.raises(NotThisHost):
            host_certificates.judged(bad, Demanded("web-01", key, key), at=now())


def test_kinds_of_keys_are_asked_for_as_certificates_of_just_that_kind() -> None:
    assert host_certificates.algorithms(public(AUTHORITY)) == ("ssh-ed25519-cert-v01@openssh.com",)
    curve = public(generate_private_key(SECP256R1()))
    assert host_certificates.algorithms(curve) == ("ecdsa-sha2-nistp256-cert-v01@openssh.com",)
    assert host_certificates.algorithms("ssh-rsa AAAA") == (
        "rsa-sha2-512-cert-v01@openssh.com",
        "rsa-sha2-256-cert-v01@openssh.com",
    )
