"""Who signs certificates is not believed: what comes back is exactly what was wanted, or it is thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from procedures.domain.clock import now
from procedures.ssh.certifying import AuthorityAway, KeyAuthority, OtherCertificate, SshAuthority, Wanted, certify
from tests.factories.portal import public_text

HOUR = timedelta(hours=1)
CA = KeyAuthority(Ed25519PrivateKey.generate())
SUBJECT = public_text(Ed25519PrivateKey.generate())


class Answers(SshAuthority):
    """Signs what it likes instead of what it is asked, under the key that is trusted, or another."""

    def __init__(self, signer: SshAuthority = CA, **changed: Any) -> None:
        self.signer, self.changed = signer, changed

    @property
    def public(self) -> str:
        return CA.public

    def signed(self, wanted: Wanted) -> str:
        return self.signer.signed(replace(wanted, **self.changed))


def wanted(**changed: Any) -> Wanted:
    options = {"force-command": "echo forced", "source-address": "127.0.0.1/32"}
    return replace(Wanted("user", SUBJECT, ["deploy@web-01"], "run=1", now(), now() + HOUR, options), **changed)


def test_what_was_wanted_comes_back_and_a_shorter_life_is_no_other_certificate() -> None:
    made = certify(CA, wanted())
    assert made.certificate.startswith("ssh-ed25519-cert-v01@openssh.com ")
    assert certify(CA, wanted()).serial != made.serial
    assert certify(Answers(until=now() + HOUR / 2), wanted()).serial
    assert certify(CA, wanted(kind="host", options={})).serial


OTHERS: Mapping[str, Answers] = {
    "another signature": Answers(KeyAuthority(Ed25519PrivateKey.generate())),
    "another type": Answers(kind="host"),
    "another key": Answers(public=public_text(Ed25519PrivateKey.generate())),
    "other principals": Answers(principals=["deploy@web-01", "root@web-01"]),
    "other principals, others alone": Answers(principals=["root@web-01"]),
    "other critical options": Answers(options={"source-address": "127.0.0.1/32"}),
    "other critical options, another command": Answers(
        options={"force-command": "sh", "source-address": "127.0.0.1/32"}
    ),
    "other extensions": Answers(extensions=["permit-pty"]),
    "another key id": Answers(key_id="run=2"),
    "a longer life": Answers(until=now() + 24 * HOUR),
    "an earlier beginning": Answers(at=now() - HOUR),
}


@pytest.mark.parametrize("row", OTHERS)
def test_another_certificate_than_was_asked_for_is_thrown_away(row: str) -> None:
    with pytest.raises(OtherCertificate, match=row.partition(",")[0]):
        certify(OTHERS[row], wanted())


@pytest.mark.parametrize(
    "line", ["", "x", "ssh-ed25519-cert-v01@openssh.com AAAA", SUBJECT, "ssh-ed25519 !!!!"], ids=range(5)
)
def test_what_is_no_certificate_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers()
    monkeypatch.setattr(answers, "signed", lambda _: line)
    with pytest.raises(OtherCertificate, match="no certificate"):
        certify(answers, wanted())


def test_a_key_of_another_curve_certifies_and_signs_no_statements() -> None:
    curve = KeyAuthority(generate_private_key(SECP256R1()))
    assert curve.public.startswith("ecdsa-sha2-nistp256 ")
    assert certify(curve, wanted()).serial
    with pytest.raises(AuthorityAway, match="no Ed25519 key"):
        curve.signing_key()
    with pytest.raises(AuthorityAway, match="nothing else"):
        Answers().signing_key()
