"""Who was named and has not agreed stands in for nobody: no requester picks the approver by elimination."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.evidence.queries import facts_of_kinds
from procedures.models import Deputy, Notice
from procedures.queries import deputies as queries
from procedures.queries import eligible, pages_shell, passed_on
from procedures.services import deputies, leavers
from procedures.services.deputies import AgreedBefore, DeputyOver, NoChains
from procedures.services.unit import SecondPersonRequired
from tests.factories.agents import new_agent
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import DAYS, approve, asked, at_once, name, populated, who


@pytest.fixture
def town(world: World) -> World:
    return populated(world)


def agree(username: str, row: Deputy) -> Deputy:
    return deputies.agree(actor=who(username), deputy=row.pk, at=now())


def test_naming_the_strict_approver_bars_them_from_nothing(town: World) -> None:
    asked("olga", "petra")
    run = town.ask(who("olga"))
    assert [(link.person.username, link.role) for link in run.chain.select_related("person")] == [("olga", "requester")]
    assert run in pages_shell.approvable(who("petra"), now())
    assert who("petra") in eligible.approvers(run, now())
    assert approve("petra", run).state == "queued"


def test_who_was_named_is_shown_nothing_for_the_other_and_decides_for_oneself(town: World) -> None:
    asked("olga", "petra")
    run = town.ask(who("quinn"))
    assert not passed_on.beside(who("petra"), pages_shell.approvable(who("petra"), now()), now())
    assert queries.in_force("approve", now()) == []
    approve("petra", run)
    (approved,) = facts_of_kinds("run.approved")
    assert "deputy_for" not in approved.facts


def test_the_deputy_is_asked_agrees_once_and_both_learn(town: World) -> None:
    row = asked("olga", "petra")
    notice = Notice.objects.get(kind="deputy.named", person=who("petra"))
    assert notice.path == "/settings/deputies/"
    assert agree("petra", row).agreed_at is not None
    with pytest.raises(AgreedBefore):
        agree("petra", row)
    (fact,) = facts_of_kinds("deputy.agreed")
    assert (fact.actor, fact.facts["deputyship"]) == (str(who("petra").subject), str(row.pk))
    told = Notice.objects.filter(kind="deputy.agreed").values_list("person__username", flat=True)
    assert set(told) == {"olga", "petra"}
    with pytest.raises(SecondPersonRequired):
        approve("petra", town.ask(who("olga")))


def test_one_agrees_for_oneself_alone_and_signed_in(town: World) -> None:
    row, petra = asked("olga", "petra"), who("petra")
    with pytest.raises(NotAllowed, match="nobody else"):
        agree("olga", row)
    for stranger in ("quinn", "mira"):
        with pytest.raises(NotFound):
            agree(stranger, row)
    with pytest.raises(NotAllowed, match="bearer token"):
        deputies.agree(actor=petra, deputy=row.pk, at=now(), bearer=True)
    with pytest.raises(NotAllowed):
        agree(new_agent(town, petra).username, row)
    assert queries.in_force("approve", now()) == []


def test_what_is_over_or_declined_is_not_agreed_to(town: World) -> None:
    row = asked("olga", "petra")
    with pytest.raises(DeputyOver):
        deputies.agree(actor=who("petra"), deputy=row.pk, at=row.until_at)
    deputies.end_deputy(actor=who("petra"), deputy=row.pk, at=now())
    with pytest.raises(DeputyOver):
        agree("petra", row)
    left = asked("olga", "petra")
    leavers.close_person(actor=town.mira, person=who("olga").subject, at=now())
    with pytest.raises(DeputyOver):
        agree("petra", left)
    assert facts_of_kinds("deputy.agreed") == []


def test_a_naming_that_nobody_agreed_to_stands_in_no_others_way_and_chains_are_refused_at_the_yes(town: World) -> None:
    town.may(town.person("rita", "operations"), "approve", procedure="hello")
    first = asked("olga", "petra")
    with pytest.raises(NoChains):
        asked("olga", "rita")
    second = name("petra", "rita")
    with pytest.raises(NoChains, match="who is away stands in for nobody"):
        agree("petra", first)
    deputies.end_deputy(actor=who("petra"), deputy=second.pk, at=now())
    third = asked("petra", "rita")
    agree("petra", first)
    with pytest.raises(NoChains, match="hands that on to nobody"):
        agree("rita", third)


def test_it_counts_from_the_yes_and_from_its_first_day_whichever_is_later(town: World) -> None:
    row = name("olga", "petra", from_at=now() + DAYS, until_at=now() + 2 * DAYS)
    assert queries.in_force("approve", now()) == []
    assert queries.in_force("approve", row.from_at) == [row]
    deputies.end_deputy(actor=who("olga"), deputy=row.pk, at=now())
    late = asked("petra", "olga")
    deputies.agree(actor=who("olga"), deputy=late.pk, at=late.named_at + timedelta(hours=1))
    assert queries.in_force("approve", late.named_at + timedelta(minutes=59)) == []
    assert queries.in_force("approve", late.named_at + timedelta(hours=1)) == [late]


def test_two_yeses_at_once_are_one_and_two_that_make_a_chain_too(fresh_database: FreshDatabase) -> None:
    world = populated(new_world())
    world.may(world.person("rita", "operations"), "approve", procedure="hello")
    first, second = asked("olga", "petra"), asked("petra", "rita")
    told = at_once(lambda: bool(agree("petra", first)), lambda: bool(agree("rita", second)))
    assert told == ["True", "deputy.no-chains"]
    assert len(facts_of_kinds("deputy.agreed")) == 1
