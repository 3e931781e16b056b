"""Access that is replaced by less, by what runs under it used; what fakes use, and what only says that it is less."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.narrower import marked
from procedures.evidence.queries import facts_of_kinds
from procedures.models import Grant, Membership, Person, Procedure
from procedures.queries import observed_grants
from procedures.services import narrowing
from tests.factories.portal import World
from tests.narrowing.using import FEW, grant_lines, ran


def test_a_grant_is_replaced_by_a_smaller_one_that_is_signed_and_says_what_it_rests_on(
    world: World, quinn: tuple[Person, Grant]
) -> None:
    person, grant = quinn
    ran(world, person, 2, parameters={"size": 2})
    ran(world, person, 1, parameters={"size": 5})
    found = grant_lines(world.mira, grant)
    assert (found["environment", "staging"].cut, found["verb", "cancel"].verdict) == (True, "few")
    assert (found["verb", "view"].verdict, found["verb", "view"].cut) == ("unseen", False)
    assert found["parameter", "size"].why == "2 to 5"

    chosen = [found["environment", "staging"].id, found["parameter", "size"].id]
    made = narrowing.narrower_grant(actor=world.mira, grant=grant.pk, lines=chosen, at=now())
    (fact,) = facts_of_kinds("use.observed")
    assert (fact.facts["of"], fact.facts["runs"], fact.facts["digest"]) == (
        f"grant:{grant.pk}",
        3,
        marked(made["reason"]),
    )
    assert Grant.objects.get(pk=grant.pk).revoked_at is None, "nothing narrows by itself"

    change = world.propose("grant", made)
    assert change.state == "confirmed"
    grant.refresh_from_db()
    assert grant.revoked_at is not None
    world.ask(person, procedure="look", parameters={"size": 4})
    with pytest.raises(NotAllowed, match="narrowed to what was used") as refusal:
        world.ask(person, procedure="look", environment="staging")
    assert fact.facts["digest"][:19] in refusal.value.message
    assert "opsportal access request look" in refusal.value.next_step
    with pytest.raises(NotAllowed, match="narrowed to what was used"):
        world.ask(person, procedure="look", parameters={"size": 6})


@pytest.mark.parametrize(
    "more", [{"verbs": ["view", "run", "cancel", "approve"]}, {"environments": []}, {"procedure": None}], ids=str
)
def test_what_calls_itself_a_narrowing_and_gives_more_is_refused(
    world: World, quinn: tuple[Person, Grant], more: dict[str, Any]
) -> None:
    person, grant = quinn
    ran(world, person, FEW)
    line = grant_lines(world.mira, grant)["environment", "staging"]
    made = narrowing.narrower_grant(actor=world.mira, grant=grant.pk, lines=[line.id], at=now())
    wide = {key: value for key, value in {**made, **more}.items() if value is not None}
    with pytest.raises(InvalidInput, match="before"):
        world.propose("grant", wide)
    alone = {key: value for key, value in made.items() if key != "replaces"}
    with pytest.raises(InvalidInput, match="replaces"):
        world.propose("grant", alone)
    assert Grant.objects.get(pk=grant.pk).revoked_at is None


def test_asking_without_running_keeps_nothing_and_how_it_was_used_is_told(
    world: World, quinn: tuple[Person, Grant]
) -> None:
    """A requester who fakes use: what never began is no use; what did is told with its days and people."""
    person, grant = quinn
    for _ in range(FEW):
        world.ask(person, procedure="look", environment="staging")
    row = observed_grants.one(world.mira, grant.pk, now())
    assert row is not None
    assert observed_grants.of_grant(world.mira, row, now()).runs == 0
    ran(world, person, FEW)
    seen = observed_grants.of_grant(world.mira, row, now())
    assert (seen.runs, seen.days, seen.people) == (FEW, 1, 1)


def test_a_grant_is_told_to_whom_it_concerns_without_the_runs_and_names_of_others(world: World, adam: Person) -> None:
    group = Group.objects.create(name="team")
    quinn, rosa = world.person("quinn"), world.person("rosa")
    for person in (quinn, rosa):
        Membership.objects.create(person=person, group=group, since_at=now(), added_by=world.mira)
    dates = {"not_before": moment(now()), "expires_at": moment(now() + timedelta(days=1))}
    object = {"principal": "group:team", "verbs": ["run"], "environments": [], "reason": "r", **dates}
    grant = Grant.objects.get(pk=world.confirmed("grant", object).pk)
    ran(world, quinn, FEW)
    Procedure.objects.filter(name="look").update(hidden=True)
    row = observed_grants.one(rosa, grant.pk, now())
    assert row is not None
    seen = observed_grants.of_grant(rosa, row, now())
    assert (seen.runs, seen.partial) == (0, True)
    assert "look" not in str(seen.body)
    with pytest.raises(NotAllowed):
        narrowing.narrower_grant(actor=rosa, grant=grant.pk, lines=["x"], at=now())
    with pytest.raises(NotFound):
        narrowing.narrower_grant(actor=world.person("stranger"), grant=grant.pk, lines=["x"], at=now())
    assert ("procedures", "every procedure") in grant_lines(world.mira, grant)
