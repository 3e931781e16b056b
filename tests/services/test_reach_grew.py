"""After people accepted a version, an operator binds its credential anew, to something that reaches further (H2)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import CredentialBinding, Notice, Person, Run, Runner, Version
from procedures.queries import reach
from procedures.queries.due import due_for_review
from procedures.runner import drive
from procedures.services import claims, life, reviews
from procedures.services.risks import ReachGrew
from tests.factories.lending import CANARY, furnish
from tests.factories.portal import World, new_world


@pytest.fixture
def world(db: None) -> World:
    return new_world()


@pytest.fixture
def quinn(world: World) -> Person:
    return furnish(world)


def ask(world: World, quinn: Person) -> Run:
    return world.ask(quinn, procedure="tidy", secrets={"token": CANARY}, parameters={"word": "hello"})


def bind(world: World, role: str, **reaches: Any) -> CredentialBinding:
    """A signed change, confirmed as such changes are: nothing about it is forged."""
    words = {"environment": "development", "name": "deploy", "role": role, "max_ttl_s": 300, "reach": reaches}
    world.propose("binding", {**words, "provider": "ssh-certificate", "ceiling": {}})
    return CredentialBinding.objects.get(environment="development", name="deploy", ended_at__isnull=True)


def accepted() -> Version:
    return Version.objects.select_related("procedure").get(procedure__name="tidy", state="accepted")


def test_a_version_whose_credential_reaches_root_since_is_refused_and_says_why(world: World, quinn: Person) -> None:
    assert accepted().risk == "moderate"
    bind(world, "root")
    with pytest.raises(ReachGrew, match=r"accepted at moderate risk.*high now: deploy reaches root in development"):
        ask(world, quinn)
    assert not Run.objects.exists(), "nothing half stored"


@pytest.mark.parametrize("reaches", [{"sudo": "all"}, {"root": True}])
def test_a_reach_that_is_declared_counts_as_the_name_root_does(
    world: World, quinn: Person, reaches: dict[str, Any]
) -> None:
    bind(world, "deploy", **reaches)
    with pytest.raises(ReachGrew):
        ask(world, quinn)


def test_a_run_that_waits_while_its_credential_is_bound_anew_is_refused_at_the_claim(
    world: World, quinn: Person
) -> None:
    run = ask(world, quinn)
    bind(world, "root")
    assert claims.claim_run(run=run.pk, runner=Runner.objects.get(pk=drive.identity().id), at=now()) is None
    run.refresh_from_db()
    assert run.state == "denied"
    assert "deploy reaches root in development" in run.message


def test_who_writes_the_tables_gets_no_lease_for_a_plan_that_names_the_new_binding(world: World, quinn: Person) -> None:
    """The plan is brought in line with the new binding, and the claim left out: the issuer reads the log."""
    run = ask(world, quinn)
    plan = parse(bytes(run.plan))
    assert judge_run(replay(), run, plan, at=now()) == ()
    binding = bind(world, "root")
    plan["credentials"]["deploy"] |= {"binding": binding.digest, "role": "root"}
    Run.objects.filter(pk=run.pk).update(plan=canon(plan))
    with pytest.raises(LeaseRefused, match="accepted at moderate risk, and what it is lent is high now"):
        judge_run(replay(), run, plan, at=now())


def test_reviewers_see_it_and_the_same_bytes_run_again_once_people_accepted_what_they_reach(
    world: World, quinn: Person
) -> None:
    bind(world, "root")
    assert reach.grown(accepted(), now()) == ["deploy in development (it reaches root now; as root instead of deploy)"]
    adam = Person.objects.get(username="adam")
    assert [row.procedure.name for row in due_for_review(adam, now())] == ["tidy"]
    again = life.resubmit_version(actor=adam, version=accepted().pk, note="", at=now())
    assert (again.risk, again.digest) == ("high", accepted().digest)
    world.review(world.mira, again, "operations", "security", signed=True)
    assert reviews.still_missing(again), "high needs a second person"
    olga = world.person("olga", "compliance", key=True)
    world.may(olga, "review", procedure="tidy")
    world.review(olga, again, "compliance", signed=True)
    assert (accepted().pk, reach.grown(accepted(), now())) == (again.pk, [])
    run = ask(world, quinn)
    assert judge_run(replay(), run, parse(bytes(run.plan)), at=now()) == ()


def test_another_account_of_the_same_risk_is_said_to_who_wrote_and_accepted_and_on_the_page(
    world: World, quinn: Person, client: Client
) -> None:
    Notice.objects.all().delete()
    bind(world, "backup")
    told = {row.person.username for row in Notice.objects.filter(kind="reach.grew").select_related("person")}
    assert told == {"adam", "mira"}
    client.force_login(quinn)
    page = client.get("/procedures/tidy/").content.decode()
    assert "deploy in development (as backup instead of deploy)" in page
    client.force_login(world.mira)
    assert "lent something else since" in client.get("/reviews/").content.decode()
    assert ask(world, quinn).state == "queued", "no risk grew, and development asks nobody"


def test_a_binding_that_shrank_or_that_nothing_accepted_asks_for_concerns_nobody(world: World, quinn: Person) -> None:
    bind(world, "root")
    adam = Person.objects.get(username="adam")
    again = life.resubmit_version(actor=adam, version=accepted().pk, note="", at=now())
    olga = world.person("olga", "compliance", key=True)
    world.may(olga, "review", procedure="tidy")
    for one, duties in ((world.mira, ["operations", "security"]), (olga, ["compliance"])):
        world.review(one, again, *duties, signed=True)
    Notice.objects.all().delete()
    words = {"environment": "development", "name": "unused", "role": "root", "max_ttl_s": 300, "reach": {}}
    world.propose("binding", {**words, "provider": "ssh-certificate", "ceiling": {}})
    assert not Notice.objects.filter(kind="reach.grew").exists()
    assert reach.grown(accepted(), now()) == []
