"""Asking somebody else to decide: by who could decide it, of who could too; the first one still can."""

from __future__ import annotations

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.ids import uuid7
from procedures.evidence.queries import facts_of_kinds
from procedures.models import AccessRequest, DecisionAsked, Notice, Run
from procedures.queries import pages_shell, passed_on
from procedures.services import passing_on
from procedures.services.passing_on import AskedBefore, NotAnyMore
from tests.factories.access_requests import ask
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import approve, at_once, name, populated, who


@pytest.fixture
def town(world: World) -> World:
    return populated(world)


@pytest.fixture
def waiting(town: World) -> Run:
    return town.ask(who("quinn"))


def pass_on(by: str, run: Run, to: str, *, reason: str = "Knows this host.", bearer: bool = False) -> DecisionAsked:
    return passing_on.pass_on(
        actor=who(by), what="run", about=run.pk, to=who(to).subject, reason=reason, at=now(), bearer=bearer
    )


def test_who_is_asked_is_told_and_shown_why_and_both_can_still_decide(waiting: Run) -> None:
    pass_on("olga", waiting, "petra")
    notice = Notice.objects.get(kind="decision.asked")
    assert (notice.person, notice.path) == (who("petra"), f"/decisions/run/{waiting.pk}/")
    assert "Knows this host" not in str(notice.facts), "a mail quotes no reason"
    (fact,) = facts_of_kinds("decision.passed_on")
    assert (fact.actor, fact.facts["to"]) == (str(who("olga").subject), str(who("petra").subject))
    assert fact.facts["reason"] == "Knows this host."
    mine = pages_shell.approvable(who("petra"), now())
    (asking,) = passed_on.beside(who("petra"), mine, now())[waiting.pk].asked
    assert (asking.by, asking.reason) == (who("olga"), "Knows this host.")
    assert waiting in pages_shell.approvable(who("olga"), now())
    assert approve("olga", waiting).state == "queued"
    with pytest.raises(NotAnyMore):
        pass_on("petra", waiting, "olga")


def test_nobody_chooses_their_own_approver(waiting: Run, town: World) -> None:
    town.person("zoe")
    for outsider in ("quinn", "zoe"):  # who asked, and who may not approve
        with pytest.raises(NotFound):
            pass_on(outsider, waiting, "petra")
    with pytest.raises(NotAllowed, match="bearer token"):
        pass_on("olga", waiting, "petra", bearer=True)
    own = town.ask(who("olga"))
    with pytest.raises(NotFound):
        pass_on("olga", own, "petra")
    assert not DecisionAsked.objects.exists()


def test_only_who_could_decide_it_is_asked_and_once(waiting: Run, town: World) -> None:
    town.person("zoe")
    for to in ("quinn", "zoe", "olga"):
        with pytest.raises(InvalidInput, match="nobody else who could decide this"):
            pass_on("olga", waiting, to)
    with pytest.raises(InvalidInput, match="say why"):
        pass_on("olga", waiting, "petra", reason="  ")
    pass_on("olga", waiting, "petra")
    with pytest.raises(AskedBefore):
        pass_on("olga", waiting, "petra", reason="Again.")
    assert Notice.objects.filter(kind="decision.asked").count() == 1
    asked = town.ask(who("petra"))
    name("petra", "olga")
    with pytest.raises(NotFound):
        pass_on("olga", asked, "mira")  # the deputy of who asked has nothing to pass on


def test_a_plan_that_is_asked_for_anew_may_be_passed_on_anew(waiting: Run) -> None:
    pass_on("olga", waiting, "petra")
    Run.objects.filter(pk=waiting.pk).update(plan_digest="sha256:" + "0" * 64)
    again = Run.objects.get(pk=waiting.pk)
    assert passed_on.asked(again) == []
    pass_on("olga", again, "petra")
    assert [row.person for row in passed_on.asked(again)] == [who("petra")]


def test_reviews_changes_and_access_requests_are_passed_on_too(town: World) -> None:
    adam, nora = town.person("adam"), town.manager()
    town.may(adam, "author", procedure="hello")
    town.may(who("olga"), "review", procedure="hello")
    version = town.submit(adam, README__md=b"# Changed")
    wish: AccessRequest = ask(adam)
    made = {"what": "version", "about": version.pk, "to": who("olga").subject}
    assert passing_on.pass_on(actor=town.mira, reason="Yours.", at=now(), **made).person == who("olga")
    made = {"what": "access_request", "about": wish.pk, "to": nora.subject}
    assert passing_on.pass_on(actor=town.mira, reason="Yours.", at=now(), **made).person == nora
    for bad in ({**made, "what": "nothing"}, {**made, "about": uuid7()}):
        with pytest.raises(NotFound):
            passing_on.pass_on(actor=town.mira, reason="Yours.", at=now(), **bad)
    told = {one.what: one.title for one in passed_on.inbox(nora, now())}
    assert told == {"access_request": "Access to hello"}
    with pytest.raises(NotFound):
        passing_on.pass_on(actor=adam, reason="Hurry.", at=now(), **made)


def test_two_who_ask_the_same_person_at_once_ask_once(fresh_database: FreshDatabase) -> None:
    world = populated(new_world())
    world.may(world.person("rita", "operations"), "approve", procedure="hello")
    run = world.ask(who("quinn"))
    told = at_once(lambda: bool(pass_on("olga", run, "petra")), lambda: bool(pass_on("rita", run, "petra")))
    assert told == ["True", "decision.asked-before"]
    assert Notice.objects.filter(kind="decision.asked").count() == 1
