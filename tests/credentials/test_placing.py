"""Secret results put where they belong: one field, by servers of each protocol, and the truth where that fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.credentials.aws_sts import AwsSts
from procedures.credentials.kubernetes_token import KubernetesToken
from procedures.credentials.placing import NotPlaced
from procedures.credentials.vault import Vault
from procedures.domain.leases import NoPlace
from procedures.domain.ports import Provider
from procedures.domain.secrets import Secret
from tests.credentials.clouds import Cloud, a_cloud
from tests.credentials.clusters import NAMESPACE, Cluster, a_cluster
from tests.credentials.vaults import Place, a_place

CANARY = "canary-77aa10e3f5"
VALUE = Secret(CANARY)
DB = {"path": "secret/teams/payments/db", "key": "password"}


@pytest.fixture
def vault() -> Iterator[Place]:
    with a_place() as place:
        yield place


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with a_cluster(tmp_path) as made:
        yield made


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with a_cloud() as made:
        yield made


def test_vault_gets_one_field_and_the_others_stay(vault: Place) -> None:
    lease = vault.lend()
    Vault.put(lease, DB, VALUE)
    Vault.put(lease, {**DB, "key": "user"}, Secret("payments"))
    assert vault.vault.stored == {"teams/payments/db": [{"password": CANARY}, {"password": CANARY, "user": "payments"}]}
    assert [method for method, path, _ in vault.vault.asked if path.startswith("secret/")] == ["PATCH", "POST", "PATCH"]


def test_a_secret_that_somebody_else_made_meanwhile_is_not_written_over(vault: Place) -> None:
    lease = vault.lend()
    vault.vault.races = True
    with pytest.raises(NotPlaced, match=r"answered 400, and nothing arrived.*check-and-set"):
        Vault.put(lease, DB, VALUE)
    assert vault.vault.stored == {"teams/payments/db": [{"theirs": "x"}]}


def test_vault_says_no_and_no_word_of_ours_holds_the_value(vault: Place) -> None:
    lease = vault.lend()
    with pytest.raises(NotPlaced, match="answered 403, and nothing arrived") as refusal:
        Vault.put(lease, {"path": "secret/other/place", "key": "password"}, VALUE)
    assert CANARY not in str(refusal.value)


def test_what_is_not_known_is_said_to_be_not_known(vault: Place) -> None:
    lease = vault.lend()
    vault.vault.sealed = True
    with pytest.raises(NotPlaced, match="answered 503, and nobody knows"):
        Vault.put(lease, DB, VALUE)
    lease.env = {**lease.env, "VAULT_ADDR": "http://127.0.0.1:9"}
    with pytest.raises(NotPlaced, match="not reached, so nothing arrived"):
        Vault.put(lease, DB, VALUE)


def test_kubernetes_gets_one_key_of_a_secret_in_its_namespace(cluster: Cluster) -> None:
    cluster.server.grants["deployer"] = {("patch", "secrets"), ("create", "secrets")}
    lease = cluster.lend()
    KubernetesToken.put(lease, {"secret": "db", "key": "password"}, VALUE)
    KubernetesToken.put(lease, {"secret": "db", "key": "user"}, Secret("payments"))
    held = cluster.server.secrets["db"]
    assert {key: base64.b64decode(text).decode() for key, text in held["data"].items()} == {
        "password": CANARY,
        "user": "payments",
    }
    assert held["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "opsportal"}
    paths = [(method, path) for method, path, _ in cluster.server.asked if path.endswith(("/db", "/secrets"))]
    assert ("PATCH", f"/api/v1/namespaces/{NAMESPACE}/secrets/db") in paths


def test_kubernetes_refuses_an_account_that_may_not_and_nothing_is_there(cluster: Cluster) -> None:
    with pytest.raises(NotPlaced, match="Kubernetes answered 403, and nothing arrived"):
        KubernetesToken.put(cluster.lend(), {"secret": "db", "key": "password"}, VALUE)
    assert "db" not in cluster.server.secrets


def test_aws_gets_a_new_secret_and_then_a_new_version_of_it(cloud: Cloud) -> None:
    lease = cloud.lend(secrets_endpoint=cloud.url)
    AwsSts.put(lease, {"secret": "payments/db"}, VALUE)
    AwsSts.put(lease, {"secret": "payments/db"}, Secret("the next value"))
    sent = [json.loads(raw) for target, raw in cloud.targets]
    assert [target for target, _ in cloud.targets] == [
        "secretsmanager.PutSecretValue",
        "secretsmanager.CreateSecret",
        "secretsmanager.PutSecretValue",
    ]
    assert [body["SecretString"] for body in sent] == [CANARY, CANARY, "the next value"]
    assert len({body["ClientRequestToken"] for body in sent}) == 2
    assert cloud.secret("payments/db") == "the next value"


def test_no_library_writes_the_value_into_a_log(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    lease = cloud.lend(secrets_endpoint=cloud.url)
    with caplog.at_level("DEBUG"):
        AwsSts.put(lease, {"secret": "payments/db"}, VALUE)
    assert "secretsmanager" in caplog.text or caplog.records
    assert CANARY not in caplog.text


@pytest.mark.parametrize("url", ["http://secrets.example.com", "https://x/path", "file:///etc"])
def test_an_endpoint_that_is_no_address_is_refused(cloud: Cloud, url: str) -> None:
    from procedures.ssh.accounts import NotIssuable

    with pytest.raises(NotIssuable, match="secrets_endpoint"):
        cloud.lend(secrets_endpoint=url)


def test_a_provider_without_a_place_says_so(vault: Place) -> None:
    from procedures.credentials.ssh_key import SshKey

    with pytest.raises(NoPlace, match="no place for a secret result"):
        SshKey.put(vault.lend(), DB, VALUE)
    assert Provider.put is not Vault.put


def test_a_vault_behind_an_authority_of_its_own_is_trusted_by_what_the_issuer_lends(tmp_path: Path) -> None:
    with a_place() as place:
        held = tmp_path / "vault-ca.pem"
        held.write_text("-----BEGIN CERTIFICATE-----")
        place.provider.authority = held
        lent: Any = None
        place.provider._sent = lambda *_: {"auth": {"client_token": "t", "accessor": "a", "lease_duration": 60}}  # type: ignore[method-assign]
        lent = place.lend()
        assert lent.files["VAULT_CACERT"].reveal() == held.read_bytes()
