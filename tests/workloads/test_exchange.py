"""A workload's token becomes a short one of a service account, which asks for what it was granted and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import ApiToken, Environment, Run, Version
from procedures.services import leavers, tokens
from procedures.services.tokens import TokenOver
from tests.fixtures.token_issuer import GITHUB, GITLAB, KUBERNETES, ec_key
from tests.workloads.conftest import FORM, GRANT, JWT, Plant, ask, said

pytestmark = pytest.mark.ordinary


def test_a_push_runs_the_granted_procedure_and_evidence_names_the_workload(trusted: Plant) -> None:
    answer = trusted.exchange(trusted.issuer.token(GITHUB))
    body = answer.json()
    assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 600)
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    wanted = "procedure:hello environment:development environment:staging verb:run verb:view"
    assert body["scope"] == wanted
    assert answer["Cache-Control"] == "no-store"
    run = ask(APIClient(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}"))
    assert run.status_code in {201, 202}, run.content
    [taken], [asked] = said("workload.exchanged"), said("run.requested")
    assert (taken["issuer"], taken["sub"], taken["rule"]) == (trusted.issuer.url, GITHUB["sub"], "deploy")
    assert asked["workload"]["sub"] == GITHUB["sub"]
    assert asked["workload"]["exchange"] == taken["exchange"]
    assert asked["token"] == taken["token"]
    assert body["access_token"] not in str(taken), "the token itself is told once"
    links = {link["role"]: link["by"] for link in asked["chain"]}
    assert links == {
        "requester": str(trusted.robot.subject),
        "owner": str(trusted.olga.subject),
        "rule_maker": str(trusted.world.mira.subject),
    }


def test_it_is_refused_what_the_account_or_the_rule_was_not_given(trusted: Plant) -> None:
    workload = trusted.as_workload()
    assert (
        "'workload deploy' is for hello, and not for disk-cleanup"
        in ask(workload, procedure="disk-cleanup").json()["detail"]
    )
    assert "and not for production" in ask(workload, "production").json()["detail"]
    trusted.rule("wide", claims=trusted.made()["claims"] | {"workflow": "wide"}, procedures=["hello", "disk-cleanup"])
    wide = trusted.exchange(trusted.issuer.token(GITHUB, workflow="wide"), rule="wide").json()["access_token"]
    refused = ask(APIClient(HTTP_AUTHORIZATION=f"Bearer {wide}"), procedure="disk-cleanup")
    assert "No grant lets robot run disk-cleanup" in refused.json()["detail"], "a rule gives no grant"


def test_less_may_be_asked_for_and_more_is_refused(trusted: Plant) -> None:
    narrow = trusted.as_workload(scope="environment:staging verb:run")
    assert ask(narrow, "development").status_code == 403
    assert narrow.get("/api/v1/runs/").status_code == 403, "view was not asked for"
    for scope in ("environment:production", "verb:approve", "procedure:*", "everything", "verb:author"):
        answer = trusted.exchange(trusted.issuer.token(GITHUB), scope=scope)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), scope


def test_in_production_it_needs_no_second_factor_and_says_so(trusted: Plant) -> None:
    Environment.objects.filter(pk="staging").update(production=True, approvals={}, min_strength="signed")
    _, plain = tokens.make_token(actor=trusted.olga, person=trusted.robot.subject, name="old", days=1, at=now())
    assert "second factor" in ask(APIClient(HTTP_AUTHORIZATION=f"Bearer {plain}"), "staging").json()["detail"]
    assert ask(trusted.as_workload(), "staging").status_code in {201, 202}
    assert said("run.requested")[-1]["second_factor"]["strength"] == "workload"


def test_it_never_reviews_approves_or_makes_tokens(trusted: Plant) -> None:
    workload = trusted.as_workload()
    version = Version.objects.get(procedure__name="disk-cleanup")
    run = Run.objects.get(pk=ask(workload, "staging").json()["id"])
    review = {"version": str(version.pk), "digest": version.digest, "verdict": "accept", "duties": ["operations"]}
    tries: dict[str, dict[str, Any]] = {
        "reviews/": review,
        f"runs/{run.pk}/approve/": {"plan_digest": run.plan_digest or "x"},
        f"runs/{run.pk}/break-glass/": {"plan_digest": "x", "reason": "now"},
        "controls/": {"control": "workload_rule", "object": trusted.made()},
        "tokens/": {"name": "longer"},
        "workloads/": {},
    }
    for path, body in tries.items():
        assert workload.post(f"/api/v1/{path}", body, format="json").status_code in {403, 405}, path
    assert workload.get("/api/v1/workloads/").status_code == 403


def test_nobody_makes_a_longer_token_of_it_and_it_is_in_no_list_of_tokens(trusted: Plant) -> None:
    trusted.as_workload()
    row = ApiToken.objects.get(exchange__rule="deploy")
    assert row.expires_at - row.created_at == timedelta(seconds=600)
    for who in (trusted.olga, trusted.world.mira):
        assert row not in tokens.tokens_of(who)
        with pytest.raises(TokenOver, match="exchanges a fresh one"):
            tokens.rotate_token(actor=who, token=row.pk, overlap_h=0, at=now())
    tokens.revoke_token(actor=trusted.olga, token=row.pk, at=now())


def test_a_kubernetes_pod_and_a_gitlab_job_are_known_by_their_documented_claims(plant: Plant) -> None:
    plant.trust("kubernetes")
    account = {
        "/kubernetes.io/namespace": "shop",
        "/kubernetes.io/serviceaccount/uid": "a087d5a0-e1dd-43ec-93ac-f13d89cd13af",
    }
    plant.rule("pod", claims={"sub": KUBERNETES["sub"], **account})
    assert plant.exchange(plant.issuer.token(KUBERNETES, aud=["http://localhost:8000"])).status_code == 200
    again = plant.issuer.token(KUBERNETES, jti=None, key=ec_key(), alg="ES256", kid="two")
    assert plant.exchange(again).status_code == 200, "older clusters give no id"
    assert "already" in plant.exchange(again).json()["error_description"]
    moved = {
        **KUBERNETES,
        "kubernetes.io": {**KUBERNETES["kubernetes.io"], "serviceaccount": {"name": "deployer", "uid": "b"}},
    }  # type: ignore[dict-item]
    assert plant.exchange(plant.issuer.token(moved)).status_code == 400, "made anew under the same name"
    plant.world.confirmed("trusted_issuer", plant.issuer.object("kubernetes", action="end"))
    plant.trust("gitlab", name="lab")
    claims = {name: GITLAB[name] for name in ("project_id", "namespace_id", "ref", "ref_type", "pipeline_source")}
    plant.rule("job", issuer="lab", claims=claims)
    assert plant.exchange(plant.issuer.token(GITLAB)).status_code == 200


def test_keys_that_people_signed_need_no_address(plant: Plant) -> None:
    plant.world.confirmed("trusted_issuer", plant.issuer.pinned())
    plant.rule()
    plant.issuer.mood = "down"
    assert plant.exchange(plant.issuer.token(GITHUB)).status_code == 200
    assert plant.issuer.asked == []


def test_a_form_that_is_none_of_the_standard_is_told_what_is_wrong(trusted: Plant) -> None:
    token = trusted.issuer.token(GITHUB)
    wrong = {
        "unsupported_grant_type": {"grant_type": "client_credentials"},
        "invalid_request": {"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        "invalid_target": {"audience": "https://another.example.com"},
    }
    for error, more in wrong.items():
        answer = trusted.exchange(token, **more)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
    for more in ({"subject_token": ""}, {"actor_token": "x"}, {"requested_token_type": "x"}, {"rule": "a\x00b"}):
        assert trusted.exchange(token, **more).json()["error"] == "invalid_request", more
    client = APIClient()
    twice = f"grant_type={GRANT}&subject_token={token}&subject_token={token}&subject_token_type={JWT}"
    answer = client.post("/api/v1/token/exchange/", twice, content_type=FORM)
    assert "more than once" in answer.json()["error_description"]
    json = client.post("/api/v1/token/exchange/", {"grant_type": GRANT}, format="json")
    assert (json.status_code, json.json()["error"]) == (415, "invalid_request")
    assert client.get("/api/v1/token/exchange/").status_code == 405
    assert not Event.objects.filter(kind="workload.exchanged").exists()
    assert trusted.exchange(token).status_code == 200, "a refused form does not use a token up"


@pytest.mark.parametrize("what", ["rule", "issuer", "claims", "account", "owner"])
def test_its_tokens_end_at_once_with_the_rule_the_issuer_or_the_account(trusted: Plant, what: str) -> None:
    workload = trusted.as_workload()
    assert workload.get("/api/v1/me/").json()["username"] == "robot"
    rule, world = trusted.made(), trusted.world
    if what == "rule":
        world.confirmed("workload_rule", {**rule, "action": "end"})
    elif what == "issuer":
        world.confirmed("trusted_issuer", trusted.issuer.object(action="end"))
    elif what == "claims":
        trusted.rule(claims={**rule["claims"], "environment": "release"})
    elif what == "account":
        ned = world.person("ned")
        world.account(ned, "robot")
    else:
        leavers.close_person(actor=world.mira, person=trusted.olga.subject, at=now())
    assert workload.get("/api/v1/me/").status_code == 401
    assert ask(workload).status_code == 401
    fresh = trusted.exchange(trusted.issuer.token(GITHUB))
    assert fresh.status_code == (200 if what == "account" else 400), "a new owner keeps the rule"


def test_it_is_over_after_its_minutes(trusted: Plant) -> None:
    workload = trusted.as_workload()
    [fact] = said("workload.exchanged")
    assert parse_moment(fact["expires_at"]) <= now() + timedelta(minutes=15)
    ApiToken.objects.filter(exchange__rule="deploy").update(created_at=now() - timedelta(hours=1), expires_at=now())
    assert workload.get("/api/v1/me/").status_code == 401
