"""What Vault answers is not believed: another certificate is thrown away, and what it refuses is told in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsportal.cli.keeping import keys
from procedures.domain.clock import now
from procedures.ssh.authority import Issued, issue, load_ca
from procedures.ssh.certifying import AuthorityAway, KeyAuthority, OtherCertificate, SshAuthority
from procedures.ssh.places import HOSTS, USERS, authorities, elsewhere, point
from tests.credentials.vaults import ROLE_ID, SECRET_ID, FakeVault, fake_vault
from tests.factories.portal import public_text

HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Kept:
    vault: FakeVault
    folder: Path

    def at(self, role: str = "ops") -> SshAuthority:
        return elsewhere(f"vault:{self.vault.url}/ssh/sign/{role}", self.folder)

    def asked(self, role: str = "ops", life: timedelta = HOUR) -> Issued:
        options = {"force-command": "echo forced", "source-address": "127.0.0.1/32"}
        at = now()
        return issue(
            self.at(role), principals=["deploy@web-01"], key_id="run=1", options=options, at=at, until=at + life
        )


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    (tmp_path / "vault-ssh.json").write_text(json.dumps({"role_id": ROLE_ID, "secret_id": SECRET_ID}))
    with fake_vault() as vault:
        yield Kept(vault, tmp_path)


HOSTILE: Mapping[str, Mapping[str, Any]] = {
    "other principals": {"principals": ["deploy@web-01", "root@web-01"]},
    "other principals, all": {"principals": ["root@web-02"]},
    "a longer life": {"until": now() + 30 * HOUR},
    "other critical options, no command": {"options": {"source-address": "127.0.0.1/32"}},
    "other critical options, any address": {"options": {"force-command": "echo forced"}},
    "other critical options, another command": {"options": {"force-command": "sh", "source-address": "127.0.0.1/32"}},
    "other extensions": {"extensions": ("permit-port-forwarding",)},
    "another type": {"kind": "host"},
    "another key": {"public": public_text(Ed25519PrivateKey.generate())},
    "another key id": {"key_id": "vault-token-1"},
    "an earlier beginning": {"at": now() - HOUR},
}


@pytest.mark.parametrize("row", HOSTILE)
def test_another_certificate_than_was_asked_for_is_refused(kept: Kept, row: str) -> None:
    kept.vault.ssh.changes = dict(HOSTILE[row])
    with pytest.raises(OtherCertificate, match=row.partition(",")[0]):
        kept.asked()


def test_a_role_that_adds_to_what_is_asked_is_found_out_and_one_that_shortens_is_no_other(kept: Kept) -> None:
    with pytest.raises(OtherCertificate, match="other extensions"):
        kept.asked("careless")
    assert kept.asked("short").serial
    assert kept.asked(life=timedelta(seconds=5)).serial, "the shortest that is lent"


def test_a_certificate_of_another_authority_than_it_showed_is_refused(kept: Kept) -> None:
    assert kept.asked().serial
    kept.vault.ssh.authority = KeyAuthority(Ed25519PrivateKey.generate())
    with pytest.raises(OtherCertificate, match="another signature"):
        kept.asked()


def test_what_vault_refuses_is_told_in_its_own_words(kept: Kept) -> None:
    with pytest.raises(AuthorityAway, match='unknown role: "nobody"'):
        kept.asked("nobody")
    kept.vault.sealed = True
    with pytest.raises(AuthorityAway, match="Vault is sealed"):
        kept.asked()
    kept.vault.sealed = False
    assert kept.asked().serial, "and it goes on as soon as Vault does"


def test_a_login_that_ended_is_made_anew_and_a_wrong_one_is_said(kept: Kept) -> None:
    assert kept.asked().serial
    kept.vault.tokens.clear()
    assert kept.asked().serial
    login = kept.folder / "vault-ssh.json"
    login.write_text(json.dumps({"role_id": ROLE_ID, "secret_id": "wrong"}))
    kept.vault.tokens.clear()
    with pytest.raises(AuthorityAway, match="invalid role or secret ID"):
        kept.asked()
    for bad in ("", "{}", '{"role_id": 1, "secret_id": 2}', "[]"):
        login.write_text(bad)
        with pytest.raises(AuthorityAway, match="must hold a JSON object with role_id and secret_id"):
            kept.asked()


@pytest.mark.parametrize(
    "uri",
    [
        "vault:http://vault.example.com/ssh/sign/ops",
        "vault:https://vault.example.com/ssh/ops",
        "vault:https://vault.example.com/../sign/ops",
        "vault:https://user@vault.example.com/ssh/sign/ops",
        "vault:https://vault.example.com/ssh/sign/ops?token=x",
        "file:/etc/ca",
        "",
    ],
)
def test_what_is_no_place_of_an_authority_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(AuthorityAway, match="is no place of an authority"):
        elsewhere(uri, tmp_path)


def test_a_key_that_lies_here_is_not_left_behind_for_one_elsewhere(kept: Kept) -> None:
    load_ca(kept.folder / "ssh-ca-staging")
    with pytest.raises(AuthorityAway, match="take it away, and let hosts trust the other"):
        point(kept.folder, "staging", USERS, f"vault:{kept.vault.url}/ssh/sign/ops")
    assert not (kept.folder / "ssh-ca-staging.at").exists()


def test_the_command_that_makes_an_issuer_s_keys_is_told_where_they_lie(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsportal.settings.folders.private", lambda place: place)
    place, other = f"vault:{kept.vault.url}/ssh/sign/ops", kept.vault.ssh.authority.public
    words = ["--environment", "staging", "--for", "issuer", "--folder", str(tmp_path)]
    done = CliRunner().invoke(keys, [*words, "--authority", place])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["authority"] == other
    assert not (tmp_path / "ssh-ca-staging").exists()
    assert json.loads(CliRunner().invoke(keys, words).output)["authority"] == other
    assert CliRunner().invoke(keys, [*words, "--host-authority", place]).exit_code == 0
    assert authorities(tmp_path, HOSTS)("staging").public == other
    kept.vault.sealed = True
    away = CliRunner().invoke(keys, [*words, "--authority", f"{place}2"])
    assert (away.exit_code, "Vault is sealed" in away.output) == (1, True)
