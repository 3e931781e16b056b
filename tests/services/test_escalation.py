"""What nobody decides is told again, and then to those who manage access there; each once, whatever the clock does."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.decide_by import REVIEW_WITHIN
from procedures.models import Grant, Notice, Person, Run
from procedures.queries import campaigns as queries
from procedures.services import campaign_effects, deciding_late, sweeping
from procedures.services.unit import SecondPersonRequired
from tests.factories.access_requests import ask
from tests.factories.campaigns import opened
from tests.factories.portal import SOON, World, new_world
from tests.factories.transitions import unevidenced
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import at_once, populated, who
from tests.services.test_deputies import name as named


def told(kind: str) -> set[str]:
    return set(Notice.objects.filter(kind=kind).values_list("person__username", flat=True))


def of_its_time(run: Run, share: float) -> datetime:
    assert run.approval_expires_at is not None
    return run.state_since + (run.approval_expires_at - run.state_since) * share


@pytest.fixture
def town(world: World) -> World:
    return populated(world)


def test_managers_of_the_place_learn_at_the_end_and_neither_others_nor_who_asked(town: World) -> None:
    nora, yuri, ruth = town.manager(), town.person("yuri"), town.person("ruth")
    town.may(yuri, "manage_access", environments=["staging"])
    town.may(ruth, "manage_access", environments=["development"])
    town.may(nora, "run", procedure="hello")
    run, other = town.ask(who("quinn")), town.ask(nora)
    deciding_late.remind_deciders(at=of_its_time(run, 0.6))
    assert told("decision.escalated") == set(), "olga, petra and mira could decide it"
    deciding_late.remind_deciders(at=of_its_time(other, 0.8))
    assert told("decision.escalated") == {"nora", "ruth"}
    of_nora = Notice.objects.get(kind="decision.escalated", person=nora)
    assert (of_nora.facts["what"], of_nora.facts["able"]) == (f"Run {run.no} of hello in development", "3")
    assert of_nora.path == "/access/answers/who/?verb=approve&procedure=hello"


def test_where_nobody_could_decide_managers_learn_at_half_of_the_time(town: World) -> None:
    town.manager()
    run = town.ask(who("quinn"))
    Person.objects.filter(username__in=["olga", "petra", "mira"]).update(is_active=False)
    deciding_late.remind_deciders(at=of_its_time(run, 0.6))
    assert told("decision.escalated") == {"nora"}
    assert Notice.objects.get(kind="decision.escalated").facts["able"] == "nobody"
    deciding_late.remind_deciders(at=of_its_time(run, 0.8))
    assert Notice.objects.filter(kind="decision.escalated").count() == 1


def test_a_clock_that_jumps_repeats_nothing_and_goes_back_to_nothing(town: World) -> None:
    run = town.ask(who("quinn"))
    for share, given in ((0.9, 1), (0.6, 0), (0.1, 0), (0.95, 0), (3.0, 0), (0.7, 0)):
        assert deciding_late.remind_deciders(at=of_its_time(run, share)) == given, share
    assert (told("approval.late"), told("approval.reminder")) == ({"mira", "olga", "petra"}, set())


def test_changes_and_requests_for_access_are_told_again(town: World) -> None:
    nora = town.person("nora", key=True)
    town.may(nora, "manage_access", expires_at=SOON)
    change = town.propose("profile", {"profile": "separate"})
    row = ask(who("quinn"))
    deciding_late.remind_deciders(at=change.proposed_at + REVIEW_WITHIN * 0.6)
    assert (told("change.reminder"), told("access.reminder")) == ({"nora"}, set())
    deciding_late.remind_deciders(at=change.proposed_at + REVIEW_WITHIN * 0.8)
    assert told("change.late") == {"nora"}
    named_by = row.asked_at + (row.lapses_at - row.asked_at) * 0.8
    assert sweeping.remind(at=named_by) >= 1
    assert told("access.late") == {"mira", "nora"}


def test_reviewers_of_a_campaign_with_undecided_rows_are_reminded_and_so_is_their_deputy(town: World) -> None:
    nora = town.manager()
    campaign = opened(town, [nora], procedure="hello")
    named("nora", "mira", "manage_access")
    half = campaign.opened_at + (campaign.due_at - campaign.opened_at) * 0.6
    assert deciding_late.remind_deciders(at=half) == 1
    assert deciding_late.remind_deciders(at=half) == 0
    assert told("campaign.reminder") == {"mira", "nora"}
    notice = Notice.objects.get(kind="campaign.reminder", person=nora)
    assert notice.facts["left"] == str(campaign.count)
    assert queries.waiting(town.mira, now()) == [campaign]
    assert campaign_effects.deciding(town.mira, campaign.pk, now()).pk == campaign.pk
    grant = Grant.objects.get(person=nora)
    with pytest.raises(SecondPersonRequired, match="whom you stand in for"):
        campaign_effects.not_ones_own(town.mira, [str(grant.pk)], now())
    with unevidenced():
        campaign.items.update(decision="keep")
    assert deciding_late.remind_deciders(at=campaign.due_at - timedelta(minutes=1)) == 0


def test_two_sweepers_at_once_remind_once(fresh_database: FreshDatabase) -> None:
    world = populated(new_world())
    run = world.ask(who("quinn"))
    at = of_its_time(run, 0.8)
    assert at_once(*[lambda: deciding_late.remind_deciders(at=at)] * 2) == ["0", "1"]
    assert Notice.objects.filter(kind="approval.late").count() == 3
