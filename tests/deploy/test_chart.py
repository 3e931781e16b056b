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
EVERYTHING: dict[str, Any] = {
    "image": {"digest": "sha256:" + "a" * 64, "pullSecrets": ["registry"]},
    "cells": {"enabled": True},
    "web": {
        "autoscaling": {"enabled": True},
        "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls", "annotations": {"a": "b"}},
        "outward": [{"cidr": "192.0.2.7/32", "port": 443}],
    },
    "secrets": {"smtpUrl": {"name": "mail", "key": "url"}, "identityProviders": {"name": "providers"}},
    "sequencer": {"keyClaim": {"size": "1Gi", "storageClass": "fast"}},
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
        ({"runners": [{"environment": "Production!", "keys": "k"}]}, "environment"),
        ({"web": {"replicas": 0}}, "replicas"),
        ({"web": {"proxy": "*"}}, "proxy"),
        ({"surprise": True}, "surprise"),
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
    users = [pod["securityContext"]["runAsUser"] for pod in pods().values()]
    assert len(set(users)) == len(users), "a user per role"


def test_only_a_runner_of_its_environment_mounts_its_keys_and_only_web_the_session_key() -> None:
    held: dict[str, set[str]] = {}
    for role, pod in pods(everything=True).items():
        for volume in pod["volumes"]:
            secrets = [volume["secret"]["secretName"]] if "secret" in volume else []
            secrets += [row["secret"]["name"] for row in volume.get("projected", {}).get("sources", [])]
            secrets += (
                [f"claim {volume['persistentVolumeClaim']['claimName']}"] if "persistentVolumeClaim" in volume else []
            )
            for name in secrets:
                held.setdefault(name, set()).add(role)
    every = set(pods())
    assert held == {
        "opsportal-database": every,
        "opsportal-broker": every,
        "opsportal-session": {"web"},
        "opsportal-other": every - {"web"},
        "opsportal-disposable": {"disposable"},
        "opsportal-runner-development": {"runner-development"},
        "opsportal-runner-staging": {"runner-staging"},
        "opsportal-runner-production": {"runner-production"},
        "mail": {"scheduler"},
        "providers": {"web"},
        "claim ops-log-key": {"sequencer"},
        "claim ops-log-public": {"sequencer", "web"},
    }
    mounted = {row["name"]: row for row in pods()["web"]["containers"][0]["volumeMounts"]}
    assert mounted["public"]["readOnly"] is True


def test_no_value_of_a_secret_stands_in_the_chart() -> None:
    for role, pod in pods(everything=True).items():
        for row in pod["containers"][0]["env"]:
            assert set(row) == {"name", "value"}, role
            secret = row["name"].startswith(("DATABASE_URL", "OPSPORTAL_SECRET", "OPSPORTAL_BROKER", "OPSPORTAL_SMTP"))
            assert row["name"].endswith("_FILE") or not secret, f"{role}: {row['name']}"
    assert not of_kind("Secret", everything=True)


def test_nothing_is_let_through_but_what_is_named() -> None:
    policies = of_kind("NetworkPolicy")
    nothing = policies.pop("ops-nothing")["spec"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in nothing
    assert "ingress" not in nothing
    assert nothing["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "opsportal",
        "app.kubernetes.io/instance": "ops",
    }
    ways = {}
    for name, row in policies.items():
        component = row["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component", "all")
        blocks = [
            (one["to"][0].get("ipBlock", {}).get("cidr"), one["ports"][0]["port"])
            for one in row["spec"].get("egress", [])
        ]
        ways[name.removeprefix("ops-")] = (component, blocks)
    assert ways == {
        "database": ("all", [("10.0.0.0/8", 5432), ("10.0.0.0/8", 6379), (None, 53)]),
        "web": ("web", []),
        "scheduler": ("scheduler", [("0.0.0.0/0", 443)]),
        "runner-staging": ("runner-staging", [("10.20.0.0/16", 22)]),
        "runner-production": ("runner-production", [("10.30.0.0/16", 22)]),
    }


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
    assert [card.rpartition("/")[2] for card in cards[2::2]] == ["disposable", "development", "staging", "production"]
    for claim in of_kind("PersistentVolumeClaim").values():
        assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    scaled = of_kind("Deployment", everything=True)["ops-web"]["spec"]
    assert "replicas" not in scaled, "the autoscaler decides"
