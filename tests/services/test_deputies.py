"""Deputies: told and shown what waits for somebody away, by own rights alone; nobody counts twice or for oneself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from procedures import access
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound, OpsError
from procedures.domain.ids import uuid7
from procedures.evidence.models import Event
from procedures.evidence.queries import facts_of_kinds
from procedures.models import Approval, Deputy, Notice, Person, Procedure, Run
from procedures.queries import deputies as queries
from procedures.queries import eligible, pages_shell, passed_on
from procedures.services import approvals, controls, deputies, leavers, sweeping
from procedures.services.approvals import NotWaiting
from procedures.services.deputies import DeputyOver, NoChains
from procedures.services.unit import SecondPersonRequired
from tests.factories.agents import new_agent
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

DAYS = timedelta(days=7)


@pytest.fixture
def town(world: World) -> World:
    return populated(world)


def populated(world: World) -> World:
    """Runs of hello in development need an approval. Olga and Petra may give it and may ask; Quinn asks."""
    world.accepted()
    rules = {"name": "development", "title": "Development", "position": 1, "production": False, "drafts": True}
    more = {"approvals": {"low": {"operations": 1}}, "min_strength": "session", "approval_expiry_s": 3600}
    world.confirmed("environment", {**rules, **more, "reason_required": False})
    for name in ("olga", "petra"):
        world.may(world.person(name, "operations"), "approve", "view", "run", procedure="hello")
    world.may(world.person("quinn"), "run", "view", procedure="hello")
    return world


def who(name: str) -> Person:
    return Person.objects.get(username=name)


def asked(person: str, deputy: str, *verbs: str, **more: Any) -> Deputy:
    """Named, and not agreed to."""
    at = now()
    given: dict[str, Any] = {"from_at": at, "until_at": at + DAYS, "at": at, **more}
    return deputies.name_deputy(actor=who(person), deputy=who(deputy).subject, verbs=verbs or ["approve"], **given)


def name(person: str, deputy: str, *verbs: str, **more: Any) -> Deputy:
    """Named, and agreed to."""
    row = asked(person, deputy, *verbs, **more)
    return deputies.agree(actor=who(deputy), deputy=row.pk, at=now())


def approve(person: str, run: Run) -> Run:
    given: dict[str, Any] = {"plan_digest": run.plan_digest, "comment": "", "signature": None, "at": now()}
    return approvals.decide_run(actor=who(person), run=run.id, verdict=Approval.Verdict.APPROVE, **given)


def test_a_deputy_is_told_shown_for_whom_and_decides_once_for_both(town: World) -> None:
    row = name("olga", "petra")
    told = Notice.objects.filter(kind="deputy.named").values_list("person__username", flat=True)
    assert set(told) == {"olga", "petra"}
    (fact,) = facts_of_kinds("deputy.named")
    assert (fact.actor, fact.facts["deputyship"]) == (str(who("olga").subject), str(row.pk))
    run = town.ask(who("quinn"))
    assert {link.role for link in run.chain.all()} == {"requester"}
    mine = pages_shell.approvable(who("petra"), now())
    assert passed_on.beside(who("petra"), mine, now())[run.pk].stands_for == [who("olga")]
    assert not passed_on.beside(who("olga"), mine, now())
    assert approve("petra", run).state == "queued"
    (approved,) = facts_of_kinds("run.approved")
    assert approved.facts["deputy_for"] == [str(who("olga").subject)]
    with pytest.raises(NotWaiting):
        approve("olga", run)


def test_two_approvals_need_two_people_and_the_one_away_is_still_one(town: World) -> None:
    name("olga", "petra")
    run = town.ask(who("quinn"))
    Run.objects.filter(pk=run.pk).update(approvals_needed={"operations": 2})
    assert approve("petra", run).state == "awaiting_approval"
    assert run not in pages_shell.approvable(who("petra"), now()), "one person counts once, for however many"
    assert approve("olga", run).state == "queued"


def test_the_deputy_of_who_asks_cannot_approve_and_stands_in_the_chain(town: World) -> None:
    name("olga", "petra")
    run = town.ask(who("olga"))
    assert {(link.person.username, link.role) for link in run.chain.select_related("person")} == {
        ("olga", "requester"),
        ("petra", "deputy"),
    }
    (asked,) = facts_of_kinds("run.requested")
    assert {"by": str(who("petra").subject), "role": "deputy"} in asked.facts["chain"]
    with pytest.raises(SecondPersonRequired):
        approve("petra", run)
    assert run not in pages_shell.approvable(who("petra"), now())
    assert who("petra") not in eligible.approvers(run, now())
    deputies.end_deputy(actor=who("petra"), deputy=Deputy.objects.get().pk, at=now())
    with pytest.raises(SecondPersonRequired):
        approve("petra", run)  # what was asked while it lasted stays so, as the issuer and the verifier read the chain


def test_who_became_the_deputy_after_the_request_cannot_approve_it_while_it_lasts(town: World) -> None:
    run = town.ask(who("olga"))
    row = name("olga", "petra")
    assert who("petra") not in eligible.approvers(run, now())
    with pytest.raises(SecondPersonRequired, match="stand in for somebody behind"):
        approve("petra", run)
    deputies.end_deputy(actor=who("olga"), deputy=row.pk, at=now())
    assert approve("petra", run).state == "queued"


def test_nobody_gains_a_right_by_standing_in(town: World) -> None:
    town.person("zoe")
    with pytest.raises(InvalidInput, match="a deputy gains no right"):
        name("olga", "zoe")
    with pytest.raises(InvalidInput, match="nothing to stand in for"):
        name("quinn", "olga")
    with pytest.raises(InvalidInput, match="nothing to stand in for"):
        name("olga", "petra", "approve", "review")
    town.may(who("zoe"), "approve", procedure="hello", environments=["staging"])
    name("olga", "zoe")
    hello = Procedure.objects.get(name="hello")
    run = town.ask(who("quinn"))
    assert not access.decide(who("zoe"), "approve", at=now(), procedure=hello, environment=run.environment).allowed
    assert pages_shell.approvable(who("zoe"), now()) == []
    with pytest.raises((NotAllowed, NotFound)):
        approve("zoe", run)


def test_the_deputy_of_who_gains_neither_gives_nor_confirms_it(town: World) -> None:
    town.may(who("olga"), "manage_access", procedure="hello")
    town.confirmed("profile", {"profile": "separate"})
    olga, nora = who("olga"), who("nora")
    row = name("olga", "nora", "manage_access")
    gift = {"principal": f"person:{olga.subject}", "verbs": ["run"], "procedure": "hello"}
    gift |= {"environments": ["production"], "reason": "on call"}
    gift |= {"not_before": moment(now()), "expires_at": moment(now() + DAYS)}
    with pytest.raises(SecondPersonRequired, match="stand in for somebody who would gain"):
        town.propose("grant", gift, by=nora)
    change = town.propose("grant", gift)
    signed = town.signed("nora", bytes(change.statement))
    assert nora not in eligible.confirmers(change, now(), {str(olga.subject)})
    with pytest.raises(SecondPersonRequired, match="stand in for somebody who would gain"):
        controls.confirm(actor=nora, change=change.pk, signature=signed, at=now())
    deputies.end_deputy(actor=olga, deputy=row.pk, at=now())
    assert nora in eligible.confirmers(change, now(), {str(olga.subject)})
    assert controls.confirm(actor=nora, change=change.pk, signature=signed, at=now()).state == "confirmed"


def test_software_tokens_and_oneself_stand_in_for_nobody(town: World) -> None:
    bot = new_agent(town, who("olga"))
    with pytest.raises(InvalidInput, match="software stands in for nobody"):
        name("petra", bot.username)
    with pytest.raises(InvalidInput, match="must be another person"):
        name("petra", "petra")
    with pytest.raises(NotAllowed):
        name(bot.username, "petra")
    with pytest.raises(NotAllowed, match="bearer token"):
        name("olga", "petra", bearer=True)
    assert not Deputy.objects.exists()
    assert not Event.objects.filter(kind="deputy.named").exists()


def test_there_are_no_chains_and_one_deputy_at_a_time(town: World) -> None:
    town.may(town.person("rita", "operations"), "approve", procedure="hello")
    name("olga", "petra")
    for pair in (("olga", "rita"), ("petra", "rita"), ("rita", "olga")):
        with pytest.raises(NoChains):
            name(*pair)
    later = now() + DAYS
    name("olga", "rita", from_at=later, until_at=later + DAYS)
    with pytest.raises(NoChains):
        name("rita", "petra", from_at=later + DAYS / 2, until_at=later + 2 * DAYS)


@pytest.mark.parametrize(
    ("begins", "lasts", "why"),
    [
        (0, 0, "lie ahead"),
        (3, -1, "lie ahead"),
        (-9, 2, "lie ahead"),
        (0, 91, "90 days"),
        (400, 2, "365"),
    ],
)
def test_days_that_make_no_sense_are_refused(town: World, begins: int, lasts: int, why: str) -> None:
    begin = now() + timedelta(days=begins)
    with pytest.raises(InvalidInput, match=why):
        name("olga", "petra", from_at=begin, until_at=begin + timedelta(days=lasts))


def test_it_ends_by_itself_once_whoever_looks_and_whatever_the_clock_does(town: World) -> None:
    row = name("olga", "petra")
    assert sweeping.sweep(at=row.until_at - timedelta(seconds=1))["deputies"] == 0
    assert queries.stood_in_for(who("petra"), "approve", row.until_at - timedelta(seconds=1)) == [who("olga")]
    assert queries.stood_in_for(who("petra"), "approve", row.until_at) == []
    assert deputies.end_deputies(at=row.until_at + DAYS) == 1
    assert deputies.end_deputies(at=row.until_at + DAYS) == 0
    row.refresh_from_db()
    assert (row.ended_at, row.why) == (row.until_at, "time")
    assert queries.stood_in_for(who("petra"), "approve", row.from_at) == [], "a clock set back revives nothing"
    assert len(facts_of_kinds("deputy.ended")) == 1
    assert Notice.objects.filter(kind="deputy.ended").count() == 2


def test_either_side_ends_it_once_and_nobody_else(town: World) -> None:
    row = name("olga", "petra")
    for stranger in ("quinn", "mira"):
        with pytest.raises(NotFound):
            deputies.end_deputy(actor=who(stranger), deputy=row.pk, at=now())
    deputies.end_deputy(actor=who("petra"), deputy=row.pk, at=now())
    with pytest.raises(DeputyOver):
        deputies.end_deputy(actor=who("olga"), deputy=row.pk, at=now())
    with pytest.raises(NotFound):
        deputies.end_deputy(actor=who("olga"), deputy=uuid7(), at=now())
    assert [fact.facts["why"] for fact in facts_of_kinds("deputy.ended")] == ["deputy"]


def test_who_leaves_stands_in_for_nobody(town: World) -> None:
    row = name("olga", "petra")
    leavers.close_person(actor=town.mira, person=who("petra").subject, at=now())
    row.refresh_from_db()
    assert (row.why, queries.in_force("approve", now())) == ("left", [])


def at_once(*acts: Callable[[], object]) -> list[str]:
    """What came of each of these, begun at the same moment."""
    start, outcomes = threading.Barrier(len(acts)), []

    def one(act: Callable[[], object]) -> None:
        try:
            start.wait(timeout=10)
            outcomes.append(str(act()))
        except OpsError as problem:
            outcomes.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return sorted(outcomes)


def test_two_namings_at_once_make_one_deputy_and_two_sweepers_end_it_once(fresh_database: FreshDatabase) -> None:
    world = populated(new_world())
    world.may(world.person("rita", "operations"), "approve", procedure="hello")
    told = at_once(lambda: bool(name("olga", "petra")), lambda: bool(name("olga", "rita")))
    assert told == ["True", "deputy.no-chains"]
    over = Deputy.objects.get().until_at
    assert at_once(*[lambda: deputies.end_deputies(at=over)] * 2) == ["0", "1"]
    assert len(facts_of_kinds("deputy.ended")) == 1
