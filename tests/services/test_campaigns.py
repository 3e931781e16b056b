"""Campaigns: a fixed set of grants is kept, narrowed or revoked by others; what nobody decided lapses at its date."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from procedures import access
from procedures.answers.differing import Drift
from procedures.answers.drift import drift
from procedures.answers.standing import standing
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.states import StateConflict
from procedures.evidence.models import Event
from procedures.evidence.queries import one_fact
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Campaign, CampaignItem, Environment, Grant, GrantRight, Person, Procedure
from procedures.queries import campaigns as queries
from procedures.queries.grant_use import used
from procedures.services import campaign_ends, campaigns, controls
from procedures.services.campaign_effects import CampaignOver
from procedures.services.given import object_of
from procedures.services.unit import SecondPersonRequired
from tests.factories.campaigns import keep, narrow, offer, opened, revoke, signed
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

LATER = timedelta(days=8)


@pytest.fixture
def town(world: World) -> tuple[World, Person, Person, Grant]:
    """Nora manages too; Quinn may run hello in staging and production for a month."""
    return populated(world)


def populated(world: World) -> tuple[World, Person, Person, Grant]:
    world.accepted()
    nora, quinn = world.person("nora", key=True), world.person("quinn")
    world.may(nora, "manage_access", expires_at=moment(now() + timedelta(days=60)))
    grant = given(world, quinn)
    return world, nora, quinn, grant


def given(world: World, person: Person, **more: Any) -> Grant:
    far = moment(now() + timedelta(days=60))
    fields: dict[str, Any] = {"environments": ["staging", "production"], "expires_at": far, **more}
    return world.may(person, "run", "view", procedure="hello", **fields)


def may_run(person: Person, environment: str, at: Any = None) -> bool:
    hello, where = Procedure.objects.get(name="hello"), Environment.objects.get(pk=environment)
    return access.decide(person, "run", at=at or now(), procedure=hello, environment=where).allowed


def decision(campaign: Campaign, grant: Grant) -> str:
    return CampaignItem.objects.get(campaign=campaign, grant=grant).decision


def test_what_is_undecided_lapses_at_its_date_by_table_and_by_the_issuer(
    town: tuple[World, Person, Person, Grant],
) -> None:
    world, nora, quinn, grant = town
    run = world.ask(quinn, environment="staging")
    campaign = opened(world, [nora], procedure="hello")
    assert may_run(quinn, "staging")
    assert not may_run(quinn, "staging", campaign.due_at), "at the instant, before any sweep"
    plan: Any = {"environment": "staging", "risk": run.risk, "parameters": {}, "targets": [], "calls": []}
    standing = replay()
    assert str(grant.pk) in standing.grants
    over = replay(at=campaign.due_at)
    assert str(grant.pk) not in over.grants, "the signed opening alone ends it: no event of the sweeper is needed"
    with pytest.raises(LeaseRefused, match="No grant"):
        judge_run(over, run, plan, at=campaign.due_at)
    assert campaign_ends.end_campaigns(at=now() + LATER) == 1
    assert campaign_ends.end_campaigns(at=now() + LATER) == 0
    grant.refresh_from_db()
    campaign.refresh_from_db()
    assert (decision(campaign, grant), campaign.state, grant.revoked_by) == ("lapsed", "closed", None)
    closed = one_fact(Event.objects.get(kind="campaign.closed").pk)
    assert closed is not None
    assert (closed.facts["counts"], closed.facts["decisions"]) == ({"lapsed": 1}, {"lapsed": [str(grant.pk)]})


def test_what_is_kept_stays_for_as_long_as_it_was_given(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, grant = town
    campaign = opened(world, [nora], procedure="hello")
    keep(world, nora, campaign, grant)
    assert may_run(quinn, "production", now() + LATER)
    assert str(grant.pk) in replay(at=now() + LATER).grants
    assert campaign_ends.end_campaigns(at=now()) == 0
    campaign.refresh_from_db()
    assert (campaign.state, decision(campaign, grant)) == ("closed", "keep")
    with pytest.raises(CampaignOver):
        keep(world, nora, campaign, grant)


def test_a_keep_that_nobody_signed_keeps_nothing_with_the_issuer(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, _, grant = town
    campaign = opened(world, [nora], procedure="hello")
    Environment.objects.all().update(min_strength="session")
    object = {"campaign": str(campaign.pk), "grants": [str(grant.pk)], "reason": "x"}
    controls.propose(actor=nora, control="campaign_keep", object=object, signature=None, at=now())
    assert str(grant.pk) not in replay(at=now() + LATER).grants


def test_narrowing_puts_less_in_its_place_by_one_signature(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, grant = town
    campaign = opened(world, [nora], procedure="hello")
    wrong: list[dict[str, Any]] = [{}, {"verbs": ["run", "approve"]}, {"environments": []}]
    for less in wrong:
        with pytest.raises(InvalidInput):
            narrow(world, nora, campaign, grant, **less)
    _, change = narrow(world, nora, campaign, grant, environments=["staging"])
    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert (may_run(quinn, "staging"), may_run(quinn, "production")) == (True, False)
    standing = replay().grants
    assert str(grant.pk) not in standing
    assert standing[str(change.pk)]["environments"] == ["staging"]
    assert may_run(quinn, "staging", now() + LATER), "the narrower one is not of the campaign"
    with pytest.raises(StateConflict, match="narrow"):
        revoke(world, nora, campaign, grant)


def test_revoking_ends_it_now(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, grant = town
    campaign = opened(world, [nora], person="quinn")
    revoke(world, nora, campaign, grant)
    assert (may_run(quinn, "staging"), decision(campaign, grant)) == (False, "revoke")
    assert str(grant.pk) not in replay().grants


def test_nobody_decides_their_own_and_only_reviewers_decide(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, _, _ = town
    own = given(world, nora)
    campaign = opened(world, [nora], procedure="hello", person="nora")
    for act in (keep, revoke):
        with pytest.raises(SecondPersonRequired):
            act(world, nora, campaign, own)
    with pytest.raises(SecondPersonRequired):
        narrow(world, nora, campaign, own, environments=["staging"])
    with pytest.raises(NotAllowed, match="no reviewer"):
        keep(world, world.mira, campaign, own)
    max_ = world.person("max", key=True)
    with pytest.raises(NotFound):
        revoke(world, max_, campaign, own)
    with pytest.raises(InvalidInput, match="manages access"):
        world.propose("campaign", offer(world, [max_], person="quinn"))
    assert decision(campaign, own) == ""


def test_a_set_that_is_empty_changed_or_all_of_access_management_is_refused(
    town: tuple[World, Person, Person, Grant],
) -> None:
    world, nora, quinn, _ = town
    with pytest.raises(InvalidInput, match="finds no access"):
        offer(world, [nora], person="nobody")
    made = offer(world, [nora], person="quinn")
    given(world, quinn)
    with pytest.raises(InvalidInput, match="look at it again"):
        world.propose("campaign", made)
    with pytest.raises(InvalidInput, match="nobody could give access"):
        world.propose("campaign", offer(world, [nora]))
    opened(world, [nora], person="quinn")
    with pytest.raises(InvalidInput, match="other open campaign"):
        offer(world, [nora], person="quinn")


def test_in_separate_a_narrower_grant_waits_and_falls_with_the_date(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, grant = town
    world.confirmed("profile", {"profile": "separate"})
    campaign = opened(world, [nora], procedure="hello")
    _, change = narrow(world, nora, campaign, grant, environments=["production"])
    assert (change.state, decision(campaign, grant)) == ("proposed", "")
    controls.refuse(actor=world.mira, change=change.pk, reason="no", at=now())
    _, change = narrow(world, nora, campaign, grant, environments=["production"])
    assert campaign_ends.end_campaigns(at=now() + LATER) == 1
    change.refresh_from_db()
    assert (change.state, decision(campaign, grant)) == ("refused", "lapsed")
    assert not may_run(quinn, "production", now() + LATER)


def test_two_reviewers_at_once_decide_once(fresh_database: FreshDatabase) -> None:
    world, nora, _, grant = populated(new_world())
    campaign = opened(world, [nora, world.mira], procedure="hello")
    ready, told = threading.Barrier(2), []

    def decide(act: Any, who: Person) -> None:
        ready.wait()
        try:
            act(world, who, campaign, grant)
            told.append("done")
        except (StateConflict, InvalidInput) as problem:
            told.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide, args=pair) for pair in ((keep, nora), (revoke, world.mira))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["done", "state.conflict"]
    assert queries.progress([campaign])[campaign.pk].get("undecided", 0) == 0


def test_what_runs_used_stands_beside_what_they_may(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, grant = town
    world.ask(quinn, environment="staging", parameters={"name": "Zoë"})
    use = used([grant], now())[grant.pk]
    assert (use.runs, use.procedures, use.environments) == (1, {"hello"}, {"staging"})
    assert (use.parameters, use.spare, use.idle) == ({"name": ["Zoë"]}, ["production"], False)
    assert used([grant], now() + timedelta(days=90))[grant.pk].idle
    assert signed(world, nora, "grant_end", {"grant": str(grant.pk), "reason": "x"})
    assert not campaigns.wider(grant, object_of(grant, now()) | {"verbs": ["run"]}, now())


def test_drift_knows_the_date_of_a_campaign_and_who_would_outlast_it(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, _, grant = town
    campaign = opened(world, [nora], procedure="hello")
    assert drifted(now()) == []
    assert drifted(campaign.due_at) == [], "over in the evidence, and not swept up yet"
    assert str(grant.pk) not in {id for id, _ in standing(campaign.due_at).live()}
    GrantRight.objects.filter(grant=grant).update(ends_at=grant.expires_at)
    assert {(one.kind, one.what) for one in drifted(now())} == {("right", str(grant.pk))}
    keep(world, nora, campaign, grant)
    assert drifted(now()) == []
    campaign_ends.end_campaigns(at=now())
    before = campaign.opened_at + timedelta(milliseconds=1)
    assert str(grant.pk) in {id for id, _ in standing(before).live()}


def drifted(at: Any) -> list[Drift]:
    return [one for one in drift(at) if one.kind in {"grant", "right"}]


def test_what_a_label_lets_in_during_a_campaign_ends_with_it_too(town: tuple[World, Person, Person, Grant]) -> None:
    world, nora, quinn, _ = town
    world.accepted("disk-cleanup")
    world.propose("labels", {"procedure": "hello", "labels": ["night"]})
    grant = world.may(quinn, "run", selector=["night"], grows=True, expires_at=moment(now() + timedelta(days=60)))
    campaign = opened(world, [nora], person="quinn")
    world.propose("labels", {"procedure": "disk-cleanup", "labels": ["night"]})
    ends = set(GrantRight.objects.filter(grant=grant).values_list("procedure__name", "ends_at"))
    assert ends == {("hello", campaign.due_at), ("disk-cleanup", campaign.due_at)}
    assert drifted(now()) == []


def test_whoever_no_longer_manages_access_decides_nothing_of_a_campaign(
    town: tuple[World, Person, Person, Grant],
) -> None:
    world, nora, _, grant = town
    campaign = opened(world, [nora], procedure="hello")
    [hers] = Grant.objects.filter(person=nora)
    world.propose("grant_end", {"grant": str(hers.pk), "reason": "other work"})
    with pytest.raises(NotAllowed, match="manage access"):
        keep(world, nora, campaign, grant)
    with pytest.raises(NotFound):
        revoke(world, nora, campaign, grant)
