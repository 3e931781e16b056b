"""`kubernetes-token` against a server of its protocol over TLS, which lets the issuer do what its manifest gives it."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import kubernetes_validate
import pytest
from click.testing import CliRunner, Result

from opsportal.cli.clusters import cluster as command
from procedures.credentials.kubernetes_api import KubernetesRefused
from procedures.credentials.kubernetes_token import KubernetesToken
from procedures.domain.clock import now
from procedures.domain.definition import CredentialNeed
from procedures.domain.secrets import Secret
from procedures.ssh.accounts import NotIssuable
from tests.credentials.clusters import LOGIN, NAMESPACE, NEED, Cluster
from tests.postgres.conftest import context

OTHER = {"audience": "registry.example.com", "file": "REGISTRY_TOKEN_FILE"}


def test_a_token_is_bound_to_an_object_that_names_its_run_and_holds_no_word(cluster: Cluster) -> None:
    lease = cluster.lend()
    (secret,) = cluster.server.secrets.values()
    assert secret["metadata"]["name"] == f"opsportal-{lease.id.hex}"
    assert secret["metadata"]["annotations"]["opsportal/digest"] == "sha256:" + "a" * 64
    assert secret["metadata"]["annotations"]["opsportal/requester"] == "rita"
    assert not {"data", "stringData"} & set(secret)
    assert secret["type"] == "Opaque", "never the kind that Kubernetes fills with a lasting token"
    (body,) = [body for _, path, body in cluster.server.asked if path.endswith("/serviceaccounts/deployer/token")]
    assert body["spec"]["boundObjectRef"]["uid"] == secret["metadata"]["uid"]
    assert (body["spec"]["expirationSeconds"], "audiences" in body["spec"]) == (900, False)
    assert not [path for method, path, _ in cluster.server.asked if method == "GET"], "it reads nothing"
    assert cluster.lets_in(lease)
    assert cluster.provider.revoke(lease.handle, "over") == "revoked"
    assert not cluster.lets_in(lease)
    assert cluster.server.secrets == {}
    assert cluster.provider.revoke(lease.handle, "twice") == "already-gone"


def reached(config: Path, path: str) -> str:
    """What a program gets that is given the kubeconfig alone: kubectl, or where it is not, a client that reads it."""
    if kubectl := shutil.which("kubectl"):
        words = [kubectl, "--kubeconfig", str(config), "get", "--raw", path]
        home = {"HOME": str(config.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=home, check=False)
        return done.stdout + done.stderr.lower()
    said = json.loads(config.read_text())
    where, who = said["clusters"][0]["cluster"], said["users"][0]["user"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(where["certificate-authority-data"]).decode())
    answer = httpx.get(
        where["server"] + path, headers={"Authorization": f"Bearer {who['token']}"}, verify=trusted, timeout=60
    )
    return answer.text if answer.is_success else answer.text.lower()


def test_a_program_gets_in_with_the_kubeconfig_until_it_is_given_back(cluster: Cluster, tmp_path: Path) -> None:
    lease = cluster.lend()
    config = tmp_path / "config"
    config.write_bytes(lease.files["KUBECONFIG"].reveal())
    assert "v1.32.0" in reached(config, "/version")
    secrets = reached(config, f"/api/v1/namespaces/{NAMESPACE}/secrets")
    assert "forbidden" in secrets, "the issuer's rights stay its own"
    cluster.provider.revoke(lease.handle, "over")
    assert "v1.32.0" not in reached(config, "/version")


def test_the_time_is_the_server_s_word(cluster: Cluster) -> None:
    cluster.server.longer_s = 2700
    lease = cluster.lend()
    assert timedelta(minutes=59) < lease.expires_at - now() <= timedelta(hours=1)
    assert lease.evidence["expires"].startswith(lease.expires_at.strftime("%Y-%m-%dT%H:%M:%S"))


def test_a_token_for_somebody_else_is_said_to_live_until_its_time(cluster: Cluster) -> None:
    lease = cluster.lend(**OTHER)
    assert not lease.kills_sessions
    assert set(lease.files) == {"REGISTRY_TOKEN_FILE"}
    assert not cluster.lets_in(lease), "the API server is not its audience"
    assert [cluster.provider.revoke(lease.handle, "over") for _ in range(2)] == ["expires-only", "expires-only"]
    assert cluster.server.secrets == {}


def test_a_crash_between_intent_and_issue_leaves_nothing_that_works(cluster: Cluster) -> None:
    number = uuid4()
    lost = cluster.lend(lease=number)
    cluster.anew()
    assert cluster.provider.unmade(cluster.binding(), number), "the sweep knows the lease, and the lease the name"
    assert not cluster.lets_in(lost)
    assert cluster.server.secrets == {}
    assert not cluster.provider.unmade(cluster.binding(), number)


def test_asked_for_again_after_a_crash_the_first_token_is_dead(cluster: Cluster) -> None:
    number = uuid4()
    first = cluster.lend(lease=number)
    cluster.anew()
    second = cluster.lend(lease=number)
    assert first.handle == second.handle
    assert (cluster.lets_in(first), cluster.lets_in(second)) == (False, True)


def test_where_no_token_is_made_no_object_stays(cluster: Cluster) -> None:
    cluster.server.refuses = "serviceaccounts/token"
    with pytest.raises(KubernetesRefused, match="etcdserver"):
        cluster.lend()
    assert cluster.server.secrets == {}
    with pytest.raises(KubernetesRefused, match=r"403.*cannot create"):
        cluster.lend("admin")
    assert cluster.server.secrets == {}


def test_a_server_whose_certificate_nobody_signed_hears_no_token(cluster: Cluster) -> None:
    stranger = KubernetesToken(lambda environment, name: Secret(cluster.login), Path("/nonexistent"))
    with pytest.raises(KubernetesRefused, match="did not answer"):
        stranger.issue(context(), NEED, cluster.binding(), uuid4(), at=now(), ttl_s=900)
    assert cluster.server.asked == []


@pytest.mark.parametrize("login", [b"x", b"[]", b'{"token": 1}', b'{"password": "x"}'])
def test_an_issuer_without_a_login(cluster: Cluster, login: bytes) -> None:
    cluster.login = login
    with pytest.raises(KubernetesRefused, match="no JSON object with token"):
        cluster.lend()
    assert cluster.server.asked == []


BAD: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "no address": ("deployer", {"server": ""}),
    "no TLS": ("deployer", {"server": "http://k8s.example.com"}),
    "a user in the address": ("deployer", {"server": "https://u:p@k8s.example.com"}),
    "a path in the address": ("deployer", {"server": "https://k8s.example.com/x"}),
    "a namespace of Kubernetes": ("deployer", {"namespace": "kube-system"}),
    "a namespace with a path": ("deployer", {"namespace": "runs/../default"}),
    "no login": ("deployer", {"secret": None}),
    "the account that everybody has": ("default", {}),
    "an account with a path": ("deployer/../admin", {}),
    "five minutes": ("deployer", {"max_ttl_s": 300}),
    "every audience": ("deployer", {**OTHER, "audience": "*"}),
    "an audience without a file": ("deployer", {"audience": "vault"}),
    "a variable that leads programs": ("deployer", {**OTHER, "file": "LD_PRELOAD"}),
    "names too long": ("deployer", {"namespace": "n" * 63, "secret": "s" * 90, "server": f"https://{'h' * 70}"}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_binding_names_one_cluster_namespace_and_account(cluster: Cluster, what: str) -> None:
    role, changes = BAD[what]
    cluster.provider.validate(NEED, cluster.binding())
    cluster.provider.validate(NEED, cluster.binding(**OTHER))
    with pytest.raises(NotIssuable):
        cluster.provider.validate(NEED, cluster.binding(role, **changes))


@pytest.mark.parametrize("scope", [{"account": "admin"}, {"namespace": "kube-system"}, {"audience": "vault"}])
def test_a_procedure_gets_what_is_bound(cluster: Cluster, scope: Mapping[str, str]) -> None:
    cluster.provider.validate(CredentialNeed("k", "kubernetes", {"account": "deployer"}, 900), cluster.binding())
    with pytest.raises(NotIssuable, match="asks for the"):
        cluster.provider.validate(CredentialNeed("k", "kubernetes", scope, 900), cluster.binding())


def onboarded(*accounts: str) -> list[dict[str, Any]]:
    words = [word for account in accounts for word in ("--account", account)]
    done = CliRunner().invoke(command, ["onboard", "--namespace", NAMESPACE, *words])
    assert done.exit_code == 0, done.output
    items: list[dict[str, Any]] = json.loads(done.output)["items"]
    return items


def checked(cluster: Cluster, folder: Path) -> Result:
    (folder / "token").write_text(LOGIN + "\n")
    words = ["--server", cluster.server.url, "--namespace", NAMESPACE, "--account", "deployer"]
    files = ["--token-file", str(folder / "token"), "--authority", str(cluster.authority)]
    return CliRunner().invoke(command, ["check", *words, *files])


def test_the_issuer_is_given_two_rules_and_no_sight_of_a_secret(cluster: Cluster) -> None:
    items = onboarded("deployer", "other")
    for row in items:
        kubernetes_validate.validate(row, "1.32", strict=True)
    assert [row["kind"] for row in items] == ["ServiceAccount", "Role", "RoleBinding"]
    rules = items[1]["rules"]
    assert {verb for row in rules for verb in row["verbs"]} == {"create", "delete"}
    assert rules[1]["resourceNames"] == ["deployer", "other"]
    assert not [word for row in rules for words in row.values() for word in words if "*" in word]
    for word in ("*", "a b", "../x"):
        assert CliRunner().invoke(command, ["onboard", "--namespace", NAMESPACE, "--account", word]).exit_code == 2


def test_the_check_says_what_is_missing_and_what_is_too_much(cluster: Cluster, tmp_path: Path) -> None:
    well = checked(cluster, tmp_path)
    assert (well.exit_code, well.output.count("ok ")) == (0, 3), well.output
    token = cluster.server.rules[1]
    cluster.server.rules[1] = {**token, "resourceNames": ["other"]}
    cluster.server.rules.append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]})
    said = checked(cluster, tmp_path)
    assert said.exit_code == 1
    assert "missing  create serviceaccounts/token deployer" in said.output
    assert "more     create serviceaccounts/token other" in said.output
    assert "more     list secrets" in said.output
    cluster.server.rules[:] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    everything = checked(cluster, tmp_path)
    assert "more     * * (*)" in everything.output
    assert "missing" not in everything.output
    assert LOGIN not in everything.output


def test_something_of_that_name_that_comes_back_is_told(cluster: Cluster) -> None:
    """Whoever puts it there again and again is somebody else: no token is bound to what is not the issuer's."""
    number = uuid4()
    cluster.lend(lease=number)
    cluster.anew()
    cluster.server.rules[0] = {**cluster.server.rules[0], "verbs": ["create"]}
    with pytest.raises(KubernetesRefused, match="cannot delete"):
        cluster.lend(lease=number)
