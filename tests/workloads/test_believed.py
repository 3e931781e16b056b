"""What stands behind a workload's run: who may not approve it, what the issuer lends it, and what pages say of it."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from procedures.answers.drift import drift
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.models import Event
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Environment, PortalSetting, Run, TrustedIssuer, WorkloadRule
from procedures.services import approvals, controls
from procedures.services.unit import SecondPersonRequired
from procedures.signon import keys
from tests.evidence.test_asserted import written
from tests.fixtures.token_issuer import GITHUB
from tests.workloads.conftest import Plant, ask, said

pytestmark = pytest.mark.once


def asked_by(plant: Plant, environment: str = "development") -> Run:
    answer = ask(plant.as_workload(), environment)
    assert answer.status_code in {201, 202}, answer.content
    return Run.objects.get(pk=answer.json()["id"])


def lent(run: Run) -> tuple[str, ...]:
    return judge_run(replay(), run, parse(bytes(run.plan)), at=now())


def test_a_run_of_a_standing_rule_is_lent_what_it_needs(trusted: Plant) -> None:
    assert lent(asked_by(trusted)) == ()


def test_an_issuer_and_a_rule_that_sql_wrote_with_their_events_lend_nothing(plant: Plant) -> None:
    """The door believes the tables; the issuer believes signatures (H1), and so does the way out (H30)."""
    issuer, rule = plant.issuer.pinned(), plant.made()
    row = TrustedIssuer.objects.create(name="ci", url=issuer["issuer"], object=issuer, since_at=now())
    named = {"account": plant.robot, "made_by": plant.olga}
    WorkloadRule.objects.create(name="deploy", issuer=row, object=rule, since_at=now(), **named)
    run = asked_by(plant)
    with pytest.raises(LeaseRefused, match=r"The rule .* is in force no more"):
        lent(run)
    written("workload_rule", rule)
    with pytest.raises(LeaseRefused, match=r"The rule .* asserted by the platform alone"):
        lent(run)
    assert {one.kind for one in drift(now())} == {"workload", "asserted"}
    plant.world.confirmed("trusted_issuer", issuer)
    plant.world.confirmed("workload_rule", rule)
    assert lent(run) == ()


def test_a_rule_or_an_issuer_that_ended_or_was_narrowed_lends_nothing_more(trusted: Plant) -> None:
    run, rule = asked_by(trusted), trusted.made()
    trusted.rule(claims={**rule["claims"], "ref": "refs/heads/release"})
    with pytest.raises(LeaseRefused, match="does not fit the workload repo:octo-org"):
        lent(run)
    trusted.rule()
    assert lent(run) == ()
    trusted.world.confirmed("trusted_issuer", trusted.issuer.object(action="end"))
    with pytest.raises(LeaseRefused, match="in force no more"):
        lent(run)
    assert not WorkloadRule.objects.filter(ended_at=None).exists()
    trusted.trust("other")
    assert trusted.exchange(trusted.issuer.token(GITHUB)).status_code == 400, "its rules do not come back with it"


def test_neither_the_owner_nor_the_maker_of_the_rule_approves(trusted: Plant) -> None:
    Environment.objects.filter(pk="staging").update(min_strength="session", approvals={"low": {"operations": 1}})
    run = asked_by(trusted, "staging")
    pat = trusted.world.person("pat", "operations")
    for one in (trusted.olga, pat):
        trusted.world.may(one, "approve", "view")
    common = {"run": run.pk, "verdict": "approve", "plan_digest": run.plan_digest, "comment": "", "signature": None}
    for one in (trusted.olga, trusted.world.mira, trusted.robot):
        with pytest.raises(NotAllowed):
            approvals.decide_run(actor=one, at=now(), **common)
    assert set(run.chain.values_list("role", flat=True)) == {"requester", "owner", "rule_maker"}


def test_in_separate_whoever_confirmed_the_rule_stands_behind_it_too(trusted: Plant) -> None:
    PortalSetting.objects.filter(pk="profile").update(value="separate")
    WorkloadRule.objects.update(confirmed_by=trusted.world.person("carl"))
    roles = asked_by(trusted).chain.values_list("person__username", "role")
    assert ("carl", "rule_confirmer") in set(roles)


def test_whoever_gains_from_a_rule_neither_proposes_nor_confirms_it(trusted: Plant) -> None:
    trusted.world.may(trusted.olga, "manage_access")
    with pytest.raises(SecondPersonRequired):
        trusted.world.propose("workload_rule", trusted.made("mine"), by=trusted.olga)
    ned = trusted.world.person("ned")
    with pytest.raises(NotAllowed):
        controls.propose(actor=ned, control="workload_rule", object=trusted.made("x"), signature=None, at=now())


WRONG: dict[str, dict[str, object]] = {
    "/object/issuer": {"issuer": "nobody"},
    "/object/account": {"account": "0198c0de-0000-7000-8000-000000000000"},
    "/object/procedures/0": {"procedures": ["nothing"]},
    "/object/environments/0": {"environments": ["nowhere"]},
    "/object/claims": {"claims": {"repository": "octo-org/octo-repo"}},
    "/object/name": {"name": "other", "action": "end"},
}


def test_a_rule_names_what_is_there(trusted: Plant) -> None:
    for pointer, more in WRONG.items():
        with pytest.raises(InvalidInput) as refused:
            trusted.world.propose("workload_rule", trusted.made() | more)
        assert pointer in dict(refused.value.problems)


def test_an_issuer_is_trusted_once_and_stays_what_its_rules_were_made_for(trusted: Plant) -> None:
    for more, pointer in (
        ({"name": "again"}, "/object/issuer"),
        ({"kind": "other"}, "/object/kind"),
        ({"issuer": "https://elsewhere.example.com"}, "/object/issuer"),
        ({"name": "none", "action": "end"}, "/object/name"),
    ):
        with pytest.raises(InvalidInput) as refused:
            trusted.world.propose("trusted_issuer", trusted.issuer.object() | more)
        assert pointer in dict(refused.value.problems)
    weak = {"kty": "RSA", "kid": "x", "n": "AQAB", "e": "AQAB"}
    with pytest.raises(InvalidInput, match="no public key"):
        trusted.world.propose("trusted_issuer", trusted.issuer.pinned(keys=[weak]))
    with pytest.raises(InvalidInput, match="one kid"):
        trusted.world.propose(
            "trusted_issuer",
            trusted.issuer.pinned(keys=[*trusted.issuer.keys[:1], {**trusted.issuer.keys[1], "kid": "one"}]),
        )


def test_the_run_says_which_workload_asked(trusted: Plant) -> None:
    run = asked_by(trusted)
    browser = Client()
    browser.force_login(trusted.world.mira, backend="procedures.access.backend.PasswordBackend")
    page = browser.get(f"/runs/{run.pk}/").content.decode()
    assert GITHUB["sub"] in page
    assert GITHUB["sub"] in browser.get(f"/runs/{run.pk}/live/").content.decode()
    told = browser.get(f"/api/v1/runs/{run.pk}/").json()["workload"]
    assert (told["sub"], told["rule"]) == (GITHUB["sub"], "deploy")
    assert Event.objects.filter(kind="workload.exchanged").count() == len(said("workload.exchanged")) == 1


def test_the_page_says_what_a_rule_does_before_anybody_signs(trusted: Plant) -> None:
    browser = Client()
    browser.force_login(trusted.world.mira, backend="procedures.access.backend.PasswordBackend")
    claims = "\n".join(f"{name} = {value}" for name, value in trusted.made()["claims"].items())
    form = {"name": "x", "issuer": "ci", "account": str(trusted.robot.subject), "claims": claims, "minutes": "15"}
    reach = {"procedures": ["hello"], "environments": ["staging"], "verbs": ["run"]}
    shown = browser.post("/changes/workload_rule/new/", {**form, **reach}).content.decode()
    assert (
        "ref is refs/heads/main, repository_id is 74, repository_owner_id is 65 becomes Robot for 15 minutes" in shown
    )
    twice = browser.post("/changes/workload_rule/new/", {**form, **reach, "claims": "ref = a\nref = b"})
    assert "each name once" in twice.content.decode()
    wanted = {"name": "k8s", "title": "Shop", "kind": "kubernetes", "issuer": "https://k.example.com"}
    keys = json.dumps({"keys": trusted.issuer.keys})
    asked = browser.post("/changes/trusted_issuer/new/", {**wanted, "algorithms": ["RS256"], "keys": keys})
    assert "vouches for workloads, by 2 keys that are signed here" in asked.content.decode()
    listed = browser.get("/access/workloads/").content.decode()
    assert "repository_id = 74" in listed
    ned = Client()
    ned.force_login(trusted.olga, backend="procedures.access.backend.PasswordBackend")
    assert "End this rule" not in (own := ned.get("/access/workloads/").content.decode())
    assert "repository_id = 74" in own, "an owner sees the rules of the own account"
    ned.force_login(trusted.world.person("ned"), backend="procedures.access.backend.PasswordBackend")
    assert "repository_id = 74" not in ned.get("/access/workloads/").content.decode()


def test_an_issuer_that_sql_wrote_with_its_event_is_not_even_asked_for_its_keys(plant: Plant) -> None:
    issuer, rule = plant.issuer.object(), plant.made()
    row = TrustedIssuer.objects.create(name="ci", url=issuer["issuer"], object=issuer, since_at=now())
    named = {"account": plant.robot, "made_by": plant.olga}
    WorkloadRule.objects.create(name="deploy", issuer=row, object=rule, since_at=now(), **named)
    written("trusted_issuer", issuer)
    assert plant.exchange(plant.issuer.token(GITHUB)).status_code == 503
    assert plant.issuer.asked == []
    [refused] = said("egress.refused")
    assert (refused["asked"], refused["count"]) == (f"GET {issuer['jwks_uri']}", 1)
    keys._kept.clear()
    plant.world.confirmed("trusted_issuer", issuer)
    plant.world.confirmed("workload_rule", rule)
    assert plant.exchange(plant.issuer.token(GITHUB)).status_code == 200
