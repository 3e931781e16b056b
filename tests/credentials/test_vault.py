"""`vault` against a server of its protocol: one token or one dynamic secret for a run, and nothing left of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from procedures.credentials.vault import Vault, VaultRefused
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.leases import NotRenewable
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable
from tests.credentials.vaults import DYNAMIC, NEED, Place


def test_a_token_names_its_run_and_ends_with_the_step(place: Place) -> None:
    lease = place.lend()
    token = lease.material["token"].reveal().decode()
    held = place.vault.tokens[token]
    assert held.lives
    assert held.policies == ["default", "deploy"]
    assert held.meta["lease"] == str(lease.id)
    assert held.meta["requester"] == "rita"
    (body,) = [body for _, path, body in place.vault.asked if path == "auth/token/create/deploy"]
    assert (body["ttl"], body["explicit_max_ttl"], body["renewable"]) == ("60s", "60s", False)
    assert lease.env == {"VAULT_ADDR": place.vault.url, "VAULT_TOKEN": lease.material["token"]}
    assert token not in json.dumps(lease.evidence) + lease.handle + repr(lease)
    assert place.provider.revoke(lease.handle, "over") == "revoked"
    assert token not in place.vault.tokens
    assert place.provider.revoke(lease.handle, "twice") == "already-gone"


def test_a_dynamic_secret_is_made_and_unmade(place: Place) -> None:
    lease = place.lend("reader", **DYNAMIC)
    (name,) = place.vault.leases
    made = place.vault.leases[name]
    assert {k: v.reveal().decode() for k, v in lease.env.items() if isinstance(v, Secret)} == {
        "PGUSER": made["username"],
        "PGPASSWORD": made["password"],
    }
    assert lease.evidence["vault_lease"] == name
    assert (lease.expires_at - lease.issued_at).total_seconds() == 60, "the run's time, not Vault's longer one"
    assert place.provider.revoke(lease.handle, "over") == "revoked"
    assert place.vault.leases == {}
    assert place.provider.revoke(lease.handle, "twice") == "revoked"


def test_a_dynamic_secret_is_renewed_and_a_token_never_is(place: Place) -> None:
    """Whoever holds a token that can be renewed can renew it, after its lease is over too: such a one is not lent."""
    lease, token = place.lend("reader", **DYNAMIC), place.lend()
    assert (lease.renewable, token.renewable) == (True, False)
    until = place.provider.renew(lease.handle, ttl_s=120)
    assert timedelta(seconds=100) < until - now() < timedelta(seconds=121)
    assert place.vault.asked[-1][2] == {"lease_id": lease.evidence["vault_lease"], "increment": 120}
    with pytest.raises(NotRenewable):
        place.provider.renew(token.handle, ttl_s=120)
    place.provider.revoke(lease.handle, "over")
    with pytest.raises(VaultRefused, match="lease not found"):
        place.provider.renew(lease.handle, ttl_s=120)


def test_the_issuer_logs_in_once_while_its_login_outlives_what_it_makes(place: Place) -> None:
    for _ in range(3):
        place.lend()
    assert place.count("auth/approle/login") == 1
    place.vault.login_s = 90
    place.provider = Vault(lambda environment, name: Secret(place.login), Path("/nonexistent"))
    place.lend(ttl_s=20)
    place.lend(ttl_s=20)
    assert place.count("auth/approle/login") == 2
    place.lend(ttl_s=60)
    assert place.count("auth/approle/login") == 3, "what is made dies with the login that made it"


def test_a_login_that_vault_ended_is_made_anew(place: Place) -> None:
    place.lend()
    place.vault.tokens.clear()
    lease = place.lend()
    assert place.vault.tokens[lease.material["token"].reveal().decode()].lives
    assert place.count("auth/approle/login") == 2


def test_issued_twice_for_one_lease_is_one_token(place: Place) -> None:
    number = uuid4()
    assert place.lend(lease=number).handle == place.lend(lease=number).handle
    assert place.count("auth/token/create/deploy") == 1


def test_what_is_no_dynamic_secret_or_lacks_a_field_leaves_nothing(place: Place) -> None:
    with pytest.raises(VaultRefused, match="without a lease"):
        place.lend("reader", path="secret/reader")
    with pytest.raises(VaultRefused, match="gave no token; it gave password, username"):
        place.lend("reader", path="database/creds/reader", env={"TOKEN": "token"})
    assert place.vault.leases == {}


def test_a_root_token_is_not_lent(place: Place) -> None:
    with pytest.raises(VaultRefused, match="this role alone"):
        place.lend("everything")


@pytest.mark.parametrize("login", [b"x", b"[]", b'{"role_id": "role-1"}', b'{"role_id": "a", "secret_id": "b"}'])
def test_an_issuer_without_a_login(place: Place, login: bytes) -> None:
    place.login = login
    with pytest.raises(VaultRefused) as told:
        place.lend()
    assert "secret-1" not in told.value.message


def test_a_vault_that_is_sealed_or_away_is_told_in_its_words(place: Place) -> None:
    place.vault.sealed = True
    with pytest.raises(VaultRefused, match=r"503.*Vault is sealed"):
        place.lend()
    with pytest.raises(VaultRefused, match="did not answer"):
        place.lend(address="http://127.0.0.1:9")
    place.vault.sealed = False
    with pytest.raises(VaultRefused, match="404"):
        place.lend("unknown")


BAD: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "no address": ("deploy", {"address": ""}),
    "no TLS": ("deploy", {"address": "http://vault.example.com:8200"}),
    "a path in the address": ("deploy", {"address": "https://vault.example.com/v1"}),
    "a user in the address": ("deploy", {"address": "https://u:p@vault.example.com"}),
    "no login": ("deploy", {"secret": None}),
    "the root role": ("root", {}),
    "a role with a path": ("../create-orphan", {}),
    "a path of the system": ("raw", {"path": "sys/raw"}),
    "a path of logins": ("token", {"path": "auth/token"}),
    "a path that goes up": ("reader", {"path": "database/../sys/reader"}),
    "a path of another role": ("deploy", {"path": "database/creds/reader"}),
    "a variable that leads programs": ("reader", {**DYNAMIC, "env": {"LD_PRELOAD": "username"}}),
    "two namespaces": ("deploy", {"namespace": "a b"}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_binding_names_one_vault_and_one_role(place: Place, what: str) -> None:
    role, changes = BAD[what]
    place.provider.validate(NEED, place.binding())
    place.provider.validate(NEED, place.binding("reader", **DYNAMIC))
    with pytest.raises(NotIssuable):
        place.provider.validate(NEED, place.binding(role, **changes))


def test_a_procedure_gets_the_role_that_is_bound(place: Place) -> None:
    with pytest.raises(NotIssuable, match="asks for the role"):
        place.provider.validate(CredentialNeed("vault", "vault", {"role": "admin"}, 300), place.binding())
