"""The chart's network: nothing is let through but what is named, and web reaches nobody but what it needs (H30)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.test_chart import containers, of_kind, pods


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
        "web": ("web", [(None, 8100)]),
        "egress": ("egress", []),
        "scheduler": ("scheduler", [("0.0.0.0/0", 443)]),
        "runner-staging": ("runner-staging", [("10.20.0.0/16", 22)]),
        "runner-production": ("runner-production", [("10.30.0.0/16", 22)]),
    }


def labels_of(role: str, *, everything: bool) -> dict[str, str]:
    found: dict[str, str] = of_kind("Deployment", everything=everything)[f"ops-{role}"]["spec"]["template"]["metadata"][
        "labels"
    ]
    return found


def ways(role: str, *, everything: bool) -> list[dict[str, Any]]:
    """Each way out that any policy opens for a pod of this role."""
    mine = labels_of(role, everything=everything)
    return [
        way
        for row in of_kind("NetworkPolicy", everything=everything).values()
        if row["spec"]["podSelector"]["matchLabels"].items() <= mine.items()
        for way in row["spec"].get("egress", [])
    ]


@pytest.mark.parametrize("everything", [False, True], ids=["defaults", "everything"])
def test_web_reaches_database_broker_resolver_and_its_way_out_and_nobody_else(everything: bool) -> None:
    found = ways("web", everything=everything)
    blocks = [(to["ipBlock"]["cidr"], way["ports"][0]["port"]) for way in found for to in way["to"] if "ipBlock" in to]
    assert blocks == [("10.0.0.0/8", 5432), ("10.0.0.0/8", 6379)]
    resolver, egress = (to for way in found for to in way["to"] if "podSelector" in to)
    assert resolver["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    assert egress == {"podSelector": {"matchLabels": labels_of("egress", everything=everything)}}
    assert [way["ports"] for way in found if way["to"] == [egress]] == [[{"protocol": "TCP", "port": 8100}]]


def test_the_way_out_lets_web_in_alone_and_reaches_what_is_named() -> None:
    policy = of_kind("NetworkPolicy", everything=True)["ops-egress"]["spec"]
    web = {"podSelector": {"matchLabels": labels_of("web", everything=True)}}
    assert policy["ingress"] == [{"from": [web], "ports": [{"protocol": "TCP", "port": 8100}]}]
    cidrs = [way["to"][0]["ipBlock"]["cidr"] for way in policy["egress"]]
    assert cidrs == ["192.0.2.7/32"]
    others = [row for name, row in of_kind("NetworkPolicy", everything=True).items() if name != "ops-egress"]
    assert "192.0.2.7/32" not in str(others)


def test_web_and_its_way_out_share_a_key_and_an_address() -> None:
    said = {}
    for role in ("web", "egress"):
        _, container = containers()[role]
        said[role] = {row["name"]: row["value"] for row in container["env"]}
        assert said[role]["OPSPORTAL_EGRESS_KEY_FILE"] == "/run/secrets/opsportal/egress-key"
    assert said["web"]["OPSPORTAL_EGRESS"] == "ops-egress:8100"
    assert said["egress"]["OPSPORTAL_EGRESS"] == "0.0.0.0:8100"
    service = of_kind("Service")["ops-egress"]["spec"]
    assert (service["selector"], service["ports"]) == (
        labels_of("egress", everything=False),
        [{"name": "egress", "port": 8100}],
    )
    assert "OPSPORTAL_BROKER_URL_FILE" not in said["egress"], "it sends no message"
    assert len(pods()["egress"]["containers"]) == 1, "policies are of pods: beside web it would open web's network"
