"""The Helm chart: linted and rendered by Helm itself, checked against Kubernetes' schemas, restricted, closed."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from opsportal.cli.keeping import web

CHART = Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "opsportal"
RUNNERS = [
    {"environment": name, "keys": f"opsportal-runner-{name}", "issuerKeys": f"opsportal-issuer-{name}"}
    for name in ("development", "staging", "production")
]
EVERYTHING: dict[str, Any] = {
    "runners": [{**row, "address": "192.0.2.10"} for row in RUNNERS],
    "image": {"digest": "sha256:" + "a" * 64, "pullSecrets": ["registry"]},
    "cells": {"enabled": True},
    "web": {
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls", "annotations": {"a": "b"}},
    },
    "egress": {"outward": [{"cidr": "192.0.2.7/32", "port": 443}]},
    "secrets": {
        "smtpUrl": {"name": "mail", "key": "url"},
        "identityProviders": {"name": "providers"},
        "logToken": {"name": "follows", "key": "token"},
        "aws": {"name": "store", "key": "credentials"},
        "collectorTokens": {"name": "collectors"},
    },
    "settings": {"OPSPORTAL_TSA_URL": "https://tsa.example/tsr", "OPSPORTAL_MIRROR_DAYS": 3650},
    "certificates": {"configMap": "authorities"},
    "sequencer": {"keyClaim": {"size": "1Gi", "storageClass": "fast"}},
    "witness": {
        "policy": "witnesses",
        "outward": [{"cidr": "198.51.100.4/32", "port": 443}],
        "run": {"enabled": True, "name": "security.example/w1", "logs": "watched-logs", "claim": {"size": "1Gi"}},
    },
}


@cache
def rendered(everything: bool = False) -> tuple[dict[str, Any], ...]:
    chart = helm.Chart.load(str(CHART))
    files = chart.render(EVERYTHING if everything else {}, name="ops", namespace="ops")
    return tuple(row for text in files.values() for row in yaml.safe_load_all(text) if row)


def of_kind(kind: str, *, everything: bool = False) -> dict[str, Any]:
    return {row["metadata"]["name"]: row for row in rendered(everything) if row["kind"] == kind}


def pods(*, everything: bool = False) -> dict[str, Any]:
    """Role → its pod, of Deployments and of the job."""
    rows = {**of_kind("Deployment", everything=everything), **of_kind("Job", everything=everything)}
    return {name.removeprefix("ops-"): row["spec"]["template"]["spec"] for name, row in rows.items()}


def test_helm_finds_nothing_to_say() -> None:
    for values in ({}, EVERYTHING):
        told = helm.lint(str(CHART), values, strict=True)
        assert (told["messages"], told["errors"]) == ([], [])


@pytest.mark.parametrize("version", ["1.27", "1.37"])
@pytest.mark.parametrize("everything", [False, True], ids=["defaults", "everything"])
def test_what_it_renders_is_what_kubernetes_takes(version: str, everything: bool) -> None:
    rows = rendered(everything)
    assert len(rows) >= 18
    for row in rows:
        kubernetes_validate.validate(row, version, strict=True)


def test_what_kubernetes_would_refuse_is_told() -> None:
    row = {**of_kind("Deployment")["ops-web"], "spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(row, "1.27", strict=True)


def test_no_caller_chooses_the_address_that_guessing_is_slowed_by() -> None:
    args, seen = pods()["web"]["containers"][0]["args"], []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    said = [(b"x-forwarded-for", b"198.51.100.9, 203.0.113.7")]  # the caller's own word, then the proxy's
    scope: Any = {"type": "http", "scheme": "http", "client": ("10.1.2.3", 1), "headers": said}
    believed = ProxyHeadersMiddleware(application, args[args.index("--proxy") + 1])
    asyncio.run(believed(scope, None, None))  # type: ignore[arg-type]
    assert seen == ["203.0.113.7"]
    told = CliRunner().invoke(web, ["--proxy", "*"])
    assert (told.exit_code, "name addresses or networks" in told.output) == (2, True)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"publicUrl": "http://ops.example.com"}, "publicUrl"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"reviewProfile": "alone"}, "reviewProfile"),
        ({"secrets": {"sessionKey": {"name": ""}}}, "sessionKey"),
        ({"runners": []}, "runners"),
        ({"runners": [{"environment": "Production!", "keys": "k", "issuerKeys": "i"}]}, "environment"),
        ({"runners": [{"environment": "production", "keys": "k"}]}, "issuerKeys"),
        ({"web": {"replicas": 0}}, "replicas"),
        ({"web": {"proxy": "*"}}, "proxy"),
        ({"witness": {"run": {"enabled": True, "name": "a b", "logs": "x"}}}, "name"),
        ({"witness": {"run": {"enabled": True}}}, "logs"),
        ({"surprise": True}, "surprise"),
        ({"settings": {"OPSPORTAL_SECRET_KEY": "k" * 60}}, "OPSPORTAL_SECRET_KEY"),
        ({"settings": {"OPSPORTAL_MIROR_DAYS": 3}}, "OPSPORTAL_MIROR_DAYS"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(helm.HelmError, match=field):
        helm.Chart.load(str(CHART)).validate_schema(wrong)


def test_every_pod_is_restricted() -> None:
    for role, pod in pods().items():
        assert pod["automountServiceAccountToken"] is False, role
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["seccompProfile"]["type"]) == (True, "RuntimeDefault"), role
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(pod), role
        assert all("hostPath" not in volume for volume in pod["volumes"]), role
        for container in pod["containers"]:
            inside = container["securityContext"]
            assert inside["allowPrivilegeEscalation"] is False, role
            assert inside["readOnlyRootFilesystem"] is True, role
            assert inside["capabilities"] == {"drop": ["ALL"]}, role
            assert container["resources"]["limits"]["memory"], role
    users = [
        container["securityContext"].get("runAsUser", pod["securityContext"]["runAsUser"])
        for pod in pods().values()
        for container in pod["containers"]
    ]
    assert len(set(users)) == len(users) == len(pods()) + 3, "a user per role"


def containers(*, everything: bool = False) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Role → (its pod, its container); the second container of a runner's pod is the issuer of its environment."""
    found = {}
    for role, pod in pods(everything=everything).items():
        for container in pod["containers"]:
            issuer = container["name"] == "issuer"
            found[role.replace("runner-", "issuer-") if issuer else role] = (pod, container)
    return found


def holders(*, everything: bool = False) -> dict[str, set[str]]:
    """Secret or claim → the roles whose container mounts it."""
    held: dict[str, set[str]] = {}
    for role, (pod, container) in containers(everything=everything).items():
        mounted = {row["name"] for row in container["volumeMounts"]}
        for volume in (one for one in pod["volumes"] if one["name"] in mounted):
            names = _keys("secretName", volume["secret"]) if "secret" in volume else []
            for row in volume.get("projected", {}).get("sources", []):
                names += _keys("name", row["secret"])
            if "persistentVolumeClaim" in volume:
                names.append(f"claim {volume['persistentVolumeClaim']['claimName']}")
            for name in names:
                held.setdefault(name, set()).add(role)
    return held


def _keys(named: str, secret: dict[str, Any]) -> list[str]:
    """A Secret's name, with each key where not all of it is mounted."""
    return [f"{secret[named]} {item['key']}" for item in secret.get("items", [])] or [secret[named]]


def test_only_the_issuer_of_an_environment_mounts_its_keys_and_only_web_the_session_key() -> None:
    every, issuers = set(containers()), {f"issuer-{name}" for name in ("development", "staging", "production")}
    assert issuers < every
    parts = every - {"install"}
    assert holders(everything=True) == {
        "opsportal-database owner": {"install"},
        **{f"opsportal-database {part}": {part, "install"} for part in parts},
        **{f"opsportal-broker {pool}": {pool} for pool in parts if pool == "disposable" or "runner" in pool},
        "opsportal-egress key": {"web", "egress"},
        "opsportal-broker sends": {"web", "scheduler", "sequencer", "install"},
        "opsportal-session secret-key": {"web"},
        "opsportal-other secret-key": every - {"web"},
        "opsportal-disposable": {"disposable"},
        **{f"opsportal-{name}": {name} for name in issuers},
        **{f"opsportal-{name}": {name} for name in (one.replace("issuer", "runner") for one in issuers)},
        **{f"claim ops-{name.replace('issuer', 'identity')}": {name} for name in issuers},
        "mail url": {"scheduler"},
        "providers": {"web"},
        "follows token": {"web"},
        "store credentials": {"sequencer"},
        "collectors": {"scheduler"},
        "claim ops-log-key": {"sequencer"},
        "claim ops-log-public": {"sequencer", "web"},
        "claim ops-witness": {"witness"},
    }
    mounted = {row["name"]: row for row in pods()["web"]["containers"][0]["volumeMounts"]}
    assert mounted["public"]["readOnly"] is True


def test_tokens_of_collectors_lie_where_the_scheduler_looks_for_them() -> None:
    for everything, there in ((False, False), (True, True)):
        [scheduler] = pods(everything=everything)["scheduler"]["containers"]
        mounts = {row["mountPath"] for row in scheduler["volumeMounts"]}
        told = {row["name"]: row["value"] for row in scheduler["env"]}
        assert (told.get("OPSPORTAL_COLLECTOR_TOKENS") in mounts) is there


def test_a_runner_and_its_issuer_share_the_folder_of_their_socket_and_no_other() -> None:
    for name in ("development", "staging", "production"):
        (_, runner), (_, issuer) = containers()[f"runner-{name}"], containers()[f"issuer-{name}"]
        mine, its = ({row["name"]: row for row in one["volumeMounts"]} for one in (runner, issuer))
        assert set(mine) & set(its) == {"door"}
        assert (mine["door"].get("readOnly"), its["door"].get("readOnly")) == (True, None)
        told, said = ({row["name"]: row["value"] for row in one["env"]} for one in (runner, issuer))
        assert told["OPSPORTAL_ISSUER_SOCKET"] == said["OPSPORTAL_ISSUER_SOCKET"]
        assert said["OPSPORTAL_ISSUER_PEERS"] == str(pods()[f"runner-{name}"]["securityContext"]["runAsUser"])
        assert said["OPSPORTAL_IDENTITY_KEYS_DIR"].startswith(its["identity"]["mountPath"] + "/")
        assert Path(told["OPSPORTAL_ISSUER_SOCKET"]).is_relative_to(mine["door"]["mountPath"])
        for part, one in (("issuer", issuer), ("runner", runner)):
            assert one["args"] == [part, "--environment", name]


def test_a_witness_is_there_for_whoever_asks_and_holds_nothing_of_the_portal() -> None:
    assert not [row["metadata"]["name"] for row in rendered() if "witness" in row["metadata"]["name"]]
    assert "OPSPORTAL_WITNESS" not in str(rendered())
    pod = pods(everything=True)["witness"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] == "128Mi"
    assert {next(iter(set(row) - {"name"})) for row in pod["volumes"]} == {
        "persistentVolumeClaim",
        "configMap",
        "emptyDir",
    }
    policies = of_kind("NetworkPolicy", everything=True)
    own = of_kind("Deployment", everything=True)["ops-witness"]["spec"]["template"]["metadata"]["labels"]
    for name, row in policies.items():
        meant = row["spec"]["podSelector"]["matchLabels"].items() <= own.items()
        assert meant == (name == "ops-witness"), "no policy of the portal's opens anything for it"
    assert "egress" not in policies["ops-witness"]["spec"]
    sequencer = pods(everything=True)["sequencer"]["containers"][0]
    policy = {"name": "OPSPORTAL_WITNESS_POLICY_FILE", "value": "/etc/opsportal/witness/policy"}
    assert policy in sequencer["env"]
    way = policies["ops-sequencer"]["spec"]["egress"]
    assert way == [{"to": [{"ipBlock": {"cidr": "198.51.100.4/32"}}], "ports": [{"protocol": "TCP", "port": 443}]}]


def test_the_job_gives_each_part_the_login_that_its_pod_has() -> None:
    args = pods()["install"]["containers"][0]["args"]
    given = {args[at + 1].rpartition("/")[2] for at, word in enumerate(args) if word == "--login"}
    assert given == set(containers()) - {"install"}


def test_a_portal_whose_parts_share_one_login_says_so_by_one_value() -> None:
    files = helm.Chart.load(str(CHART)).render({"database": {"roles": False}}, name="ops", namespace="ops")
    text = "\n".join(files.values())
    assert "--login" not in text
    assert text.count("items: [{key: owner, path: database-url}]") == len(containers())


def test_no_value_of_a_secret_stands_in_the_chart() -> None:
    for role, (_, container) in containers(everything=True).items():
        for row in container["env"]:
            assert set(row) == {"name", "value"}, role
            secret = row["name"].startswith(("DATABASE_URL", "OPSPORTAL_SECRET", "OPSPORTAL_BROKER", "OPSPORTAL_SMTP"))
            assert row["name"].endswith("_FILE") or not secret, f"{role}: {row['name']}"
    assert not of_kind("Secret", everything=True)


def test_who_signs_is_there_once_and_web_goes_on_during_a_change() -> None:
    for name, row in of_kind("Deployment").items():
        alone = name != "ops-web"
        assert row["spec"]["replicas"] == (1 if alone else 2), name
        assert row["spec"]["strategy"]["type"] == ("Recreate" if alone else "RollingUpdate"), name
        probe = row["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["exec"]["command"]
        assert probe == ["python", "-S", "-m", "opsportal.alive"], name
    assert of_kind("PodDisruptionBudget")["ops-web"]["spec"]["maxUnavailable"] == 1
    job = of_kind("Job")["ops-install"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    cards = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert cards[0] == "install"
    given = [cards[at + 1].rpartition("/")[2] for at, word in enumerate(cards) if word == "--card"]
    both = [card for name in ("development", "staging", "production") for card in (name, f"issuer-{name}")]
    assert given == ["disposable", *both]
    for claim in of_kind("PersistentVolumeClaim").values():
        assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    scaled = of_kind("Deployment", everything=True)["ops-web"]["spec"]
    assert "replicas" not in scaled, "the autoscaler decides"
