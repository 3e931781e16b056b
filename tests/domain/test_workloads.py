"""What a rule must name, so that it means one workload, and when a token's claims fit it."""

from __future__ import annotations

from typing import Any

import pytest

from procedures.domain import control_shapes, workloads
from procedures.domain.errors import InvalidInput
from procedures.domain.workloads import WorkloadRefused
from tests.fixtures.token_issuer import GITHUB, GITLAB, KUBERNETES, rsa_jwk

BASE: dict[str, dict[str, Any]] = {"github": GITHUB, "gitlab": GITLAB, "kubernetes": KUBERNETES, "other": {"sub": "x"}}
ENOUGH = {kind: {name: workloads.said(BASE[kind], name) for name in names} for kind, names in workloads.KINDS.items()}


def rule(claims: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"name": "deploy", "issuer": "ci", "account": "0198c0de-0000-7000-8000-000000000000", "claims": claims}
    reach = {"procedures": ["hello"], "environments": ["staging"], "verbs": ["run", "view"]}
    return {**base, **reach, "seconds": 600, "action": "set", **more}


def issuer(**more: Any) -> dict[str, Any]:
    base = {"name": "ci", "title": "CI", "kind": "github", "issuer": "https://token.actions.githubusercontent.com"}
    made = {
        **base,
        "algorithms": ["RS256"],
        "jwks_uri": "https://token.actions.githubusercontent.com/k",
        "action": "set",
    }
    return {name: value for name, value in {**made, **more}.items() if value is not None}


@pytest.mark.parametrize("kind", workloads.KINDS)
def test_a_rule_of_the_ids_is_enough_and_each_of_them_is_needed(kind: str) -> None:
    assert workloads.rule_problems(rule(ENOUGH[kind]), kind) == []
    for name in ENOUGH[kind]:
        left = {key: value for key, value in ENOUGH[kind].items() if key != name}
        assert any(f"must name {name}:" in why for _, why in workloads.rule_problems(rule(left or {"x": "y"}), kind))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        (
            {"repository": "octo-org/octo-repo", "ref": "refs/heads/main", "event_name": "push"},
            "must name repository_id",
        ),
        ({**ENOUGH["github"], "event_name": "pull_request"}, "people outside can propose"),
        ({**ENOUGH["github"], "event_name": "pull_request_target"}, "people outside can propose"),
        ({**ENOUGH["github"], "event_name": "issue_comment"}, "people outside can propose"),
        ({**ENOUGH["github"], "ref": "refs/heads/*"}, "there are no wildcards"),
        ({**ENOUGH["github"], "sub": "repo:octo-org/*"}, "there are no wildcards"),
        ({**ENOUGH["github"], "aud": "https://github.com/octo-org"}, "checked in any case"),
        ({**ENOUGH["github"], "iss": "x"}, "checked in any case"),
        ({**ENOUGH["github"], "repository_id": 74}, "write it in quotes"),
    ],
)
def test_a_rule_that_a_stranger_could_fit_is_refused(claims: dict[str, Any], words: str) -> None:
    told = " ".join(why for _, why in workloads.rule_problems(rule(claims), "github"))
    assert words in told


def test_claims_fit_whole_of_one_type_and_inside_each_other() -> None:
    uid = "/kubernetes.io/serviceaccount/uid"
    assert workloads.fits(rule(ENOUGH["kubernetes"]), KUBERNETES)
    assert not workloads.fits(rule({**ENOUGH["kubernetes"], uid: "another"}), KUBERNETES)
    assert not workloads.fits(rule({"/kubernetes.io": "shop"}), KUBERNETES)
    assert not workloads.fits(rule({"/sub/0": "s"}), KUBERNETES)
    assert workloads.said({"a/b": {"c~d": 1}}, "/a~1b/c~0d") == 1
    assert not workloads.fits(rule({"n": 1}), {"n": True}), "true is not one"
    assert not workloads.fits(rule({"n": "1"}), {"n": 1})
    assert not workloads.fits(rule({"n": True}), {"n": 1})
    assert workloads.fits(rule({"n": True}), {"n": True})


def test_the_shapes_take_public_keys_one_way_to_them_and_a_short_time() -> None:
    control_shapes.check("trusted_issuer", issuer())
    control_shapes.check("trusted_issuer", issuer(jwks_uri=None, keys=[rsa_jwk(1, "one")]))
    control_shapes.check("workload_rule", rule(ENOUGH["github"]))
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("trusted_issuer", issuer(keys=[rsa_jwk(1, "one")])),
        ("trusted_issuer", issuer(jwks_uri=None)),
        ("trusted_issuer", issuer(algorithms=["HS256"])),
        ("trusted_issuer", issuer(algorithms=["none"])),
        ("trusted_issuer", issuer(algorithms=[])),
        ("trusted_issuer", issuer(jwks_uri=None, keys=[rsa_jwk(1, "one", d="private")])),
        ("trusted_issuer", issuer(jwks_uri=None, keys=[{"kty": "oct", "kid": "x", "k": "c2VjcmV0"}])),
        ("workload_rule", rule({})),
        ("workload_rule", rule(ENOUGH["github"], seconds=901)),
        ("workload_rule", rule(ENOUGH["github"], procedures=[])),
        ("workload_rule", rule(ENOUGH["github"], environments=[])),
        ("workload_rule", rule(ENOUGH["github"], verbs=["approve"])),
        ("workload_rule", rule({"sub": ["a"]})),
    ]
    for control, object in wrong:
        with pytest.raises(InvalidInput):
            control_shapes.check(control, object)


def test_an_issuer_is_encrypted_and_of_its_own_kind() -> None:
    assert workloads.issuer_problems(issuer()) == []
    wrong = {
        "/object/jwks_uri": issuer(jwks_uri="http://keys.example.com"),
        "/object/kind": issuer(kind="other"),
        "/object/issuer": issuer(issuer="https://issuer.example.com/?tenant=1", kind="other"),
    }
    for pointer, object in wrong.items():
        assert pointer in dict(workloads.issuer_problems(object))
    assert "/object/issuer" in dict(workloads.issuer_problems(issuer(issuer="http://issuer.example.com")))


def test_a_scope_is_the_rules_or_less() -> None:
    made = rule(ENOUGH["github"], procedures=["hello", "other"])
    assert workloads.narrowed(made, "").scope() == (
        "procedure:hello procedure:other environment:staging verb:run verb:view"
    )
    assert (
        workloads.narrowed(made, "procedure:hello verb:run").scope() == "procedure:hello environment:staging verb:run"
    )
    for scope in ("procedure:third", "verb:", "all", "procedure:hello;drop", "environment:STAGING", "admin:yes"):
        with pytest.raises(WorkloadRefused) as refused:
            workloads.narrowed(made, scope)
        assert refused.value.error == "invalid_scope"
