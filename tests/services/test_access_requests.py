"""Asking for access: who asks, who decides, what is granted, and what becomes of what nobody answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.states import StateConflict
from procedures.models import AccessRequest, Grant, Membership, Person, Procedure
from procedures.queries import access_requests as requests
from procedures.services import access_answers, access_requests, life
from procedures.services.access_requests import AskedAlready, HeldAlready, NothingToAskFor, TooManyAccessRequests
from procedures.services.request_states import NoLongerGrantable
from procedures.services.unit import SecondPersonRequired
from tests.factories.access_requests import answer, ask, kinds, offer, state
from tests.factories.portal import World


@pytest.fixture
def quinn(world: World) -> Person:
    world.accepted()
    return world.person("quinn")


def test_asked_then_granted_and_it_ends_by_itself(world: World, quinn: Person) -> None:
    row = ask(quinn)
    assert [p.username for p in requests.deciders(row, now())] == ["mira"]
    assert requests.decidable(world.mira, now()) == [row]
    answer(world, world.mira, row)
    assert (state(row), kinds(row)) == ("granted", ["access.asked", "access.granted"])
    grant = Grant.objects.get(pk=row.change_id)
    hello = Procedure.objects.get(name="hello")
    assert access.decide(quinn, "run", at=now(), procedure=hello).grant == grant
    after = now() + timedelta(days=30, minutes=1)
    assert not access.decide(quinn, "run", at=after, procedure=hello).allowed


def test_less_may_be_granted_than_was_asked_and_never_more(world: World, quinn: Person) -> None:
    row = ask(quinn, verbs=["run", "view"], environments=["staging", "development"])
    begins = parse_moment(offer(row)["not_before"])
    wider: list[dict[str, Any]] = [
        {"verbs": ["run", "approve"]},
        {"environments": ["production"]},
        {"environments": []},
        {"principal": f"person:{world.person('max').subject}"},
        {"expires_at": moment(begins + timedelta(days=31))},
    ]
    for changes in wider:
        with pytest.raises(InvalidInput):
            answer(world, world.mira, row, offer(row, **changes))
    everything = offer(row)
    del everything["procedure"]
    with pytest.raises(InvalidInput, match="procedure"):
        answer(world, world.mira, row, everything)
    limit = {"required": ["name"], "properties": {"name": {"const": "x"}}}
    less = offer(row, verbs=["run"], environments=["staging"], constraint=limit, target_filter="role=web")
    answer(world, world.mira, row, {**less, "expires_at": moment(begins + timedelta(days=2))})
    assert state(row) == "granted"
    assert row.narrowed == ["verbs", "environments", "days", "constraint", "target_filter"]
    assert Grant.objects.get(pk=row.change_id).environments == ["staging"]


def test_nobody_decides_what_they_would_gain_from(world: World, quinn: Person) -> None:
    """Not the own request, not one for a group they are in, not one of their robot: neither yes nor no."""
    own = ask(world.mira, environments=["production"], days=365, verbs=["author", "approve"])
    world.confirmed("membership", {"person": str(quinn.subject), "group": "ops", "action": "add"})
    Membership.objects.create(person=world.mira, group=quinn.memberships.get().group, since_at=now(), added_by=quinn)
    theirs = ask(quinn, group="ops")
    robot = world.person("robot")
    Person.objects.filter(pk=robot.pk).update(kind="service", owner=world.mira)
    its = ask(Person.objects.get(pk=robot.pk))
    for row in (own, theirs, its):
        with pytest.raises(SecondPersonRequired):
            answer(world, world.mira, row)
        with pytest.raises(SecondPersonRequired):
            access_answers.refuse_request(actor=world.mira, request=row.pk, reason="no", at=now())
        assert state(row) == "open"
        assert world.mira not in requests.deciders(row, now())
    assert requests.decidable(world.mira, now()) == []
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessRequest.objects.filter(pk=own.pk).update(decided_by=world.mira)


def test_a_stranger_neither_sees_nor_decides_and_a_token_decides_nothing(world: World, quinn: Person) -> None:
    row, max_ = ask(quinn), world.person("max", key=True)
    with pytest.raises(NotFound):
        answer(world, max_, row)
    with pytest.raises(NotFound):
        access_answers.withdraw_request(actor=max_, request=row.pk, at=now())
    given: dict[str, Any] = {"actor": world.mira, "request": row.pk, "at": now(), "bearer": True}
    with pytest.raises(NotAllowed, match="token"):
        access_answers.grant_request(object=offer(row), signature=None, **given)
    with pytest.raises(NotAllowed, match="token"):
        access_answers.refuse_request(reason="no", **given)


def test_a_refusal_says_why_and_a_second_answer_is_told_so(world: World, quinn: Person) -> None:
    row = ask(quinn)
    with pytest.raises(InvalidInput):
        access_answers.refuse_request(actor=world.mira, request=row.pk, reason=" ", at=now())
    access_answers.refuse_request(actor=world.mira, request=row.pk, reason="Ask Olga to run it.", at=now())
    assert (state(row), row.answer) == ("refused", "Ask Olga to run it.")
    with pytest.raises(StateConflict, match="refused already by Mira"):
        answer(world, world.mira, row)
    with pytest.raises(StateConflict):
        access_answers.withdraw_request(actor=quinn, request=row.pk, at=now())


def test_the_same_wish_stands_once_and_twenty_a_day_are_enough(world: World, quinn: Person) -> None:
    row = ask(quinn, verbs=["run", "view"])
    with pytest.raises(AskedAlready) as found:
        ask(quinn)
    assert found.value.link == f"/access/requests/{row.pk}/"
    access_answers.withdraw_request(actor=quinn, request=row.pk, at=now())
    for _ in range(19):
        access_answers.withdraw_request(actor=quinn, request=ask(quinn).pk, at=now())
    with pytest.raises(TooManyAccessRequests):
        ask(quinn)


def test_what_is_held_already_need_not_be_asked_for(world: World, quinn: Person) -> None:
    until = moment(now() + timedelta(days=5))
    world.may(quinn, "run", procedure="hello", environments=["staging"], expires_at=until)
    with pytest.raises(HeldAlready):
        ask(quinn, days=4)
    assert ask(quinn, days=6).state == "open"


SENSELESS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"verbs": ["manage_access"]}, "/verbs"),
    ({"verbs": []}, "/verbs"),
    ({"environments": []}, "/environments"),
    ({"environments": ["staging", "moon"]}, "/environments/1"),
    ({"days": 0}, "/days"),
    ({"days": 366}, "/days"),
    ({"reason": " "}, "/reason"),
    ({"reason": "a\x00b"}, "/reason"),
    ({"group": "security"}, "/group"),
)


@pytest.mark.once
def test_a_wish_that_makes_no_sense_is_refused_by_field(world: World, quinn: Person) -> None:
    for more, pointer in SENSELESS:
        with pytest.raises(InvalidInput) as found:
            ask(quinn, **more)
        assert [row["pointer"] for row in found.value.field_errors()] == [pointer], more
    assert not AccessRequest.objects.exists()


@pytest.mark.once
def test_a_hidden_procedure_answers_like_a_missing_one(world: World, quinn: Person) -> None:
    Procedure.objects.filter(name="hello").update(hidden=True)
    with pytest.raises(NotFound) as hidden:
        ask(quinn)
    with pytest.raises(NotFound) as missing:
        ask(quinn, procedure="hallo")
    assert hidden.value.message.replace("hello", "hallo") == missing.value.message


def test_a_procedure_that_retires_half_way_gives_nothing(world: World, quinn: Person) -> None:
    row = ask(quinn)
    life.retire_procedure(actor=world.mira, procedure="hello", reason="unused", at=now())
    with pytest.raises(NoLongerGrantable, match="retired"):
        answer(world, world.mira, row)
    assert access_answers.lapse_requests(at=now()) == 1
    assert (state(row), row.answer) == ("lapsed", "hello retired.")
    with pytest.raises(NothingToAskFor):
        ask(quinn)


def test_what_nobody_answers_lapses_once_and_says_so(world: World, quinn: Person) -> None:
    row = ask(quinn)
    assert access_answers.lapse_requests(at=now() + timedelta(days=13)) == 0
    assert access_answers.lapse_requests(at=now() + timedelta(days=14)) == 1
    assert access_answers.lapse_requests(at=now() + timedelta(days=14)) == 0
    assert (state(row), row.answer) == ("lapsed", "Nobody decided it within 14 days.")
    assert kinds(row) == ["access.asked", "access.lapsed"]


def test_extending_carries_the_limits_on_and_begins_where_the_old_one_ends(world: World, quinn: Person) -> None:
    old = world.may(quinn, "run", procedure="hello", environments=["staging"], target_filter="role=web")
    with pytest.raises(NotFound):
        access_requests.ask_to_extend(actor=world.person("max"), grant=old.pk, days=5, reason="x", at=now())
    row = access_requests.ask_to_extend(actor=quinn, grant=old.pk, days=5, reason="still on call", at=now())
    with pytest.raises(InvalidInput, match="must stay"):
        answer(world, world.mira, row, {k: v for k, v in offer(row).items() if k != "target_filter"})
    answer(world, world.mira, row)
    new = Grant.objects.get(pk=AccessRequest.objects.get(pk=row.pk).change_id)
    assert (new.not_before_at, new.target_filter) == (old.expires_at, "role=web")
    again = access_requests.ask_to_extend(actor=quinn, grant=old.pk, days=5, reason="more", at=now())
    world.propose("grant_end", {"grant": str(old.pk), "reason": "left the team"})
    with pytest.raises(NoLongerGrantable):
        answer(world, world.mira, again)
    assert access_answers.lapse_requests(at=now()) == 1
    with pytest.raises(NothingToAskFor):
        access_requests.ask_to_extend(actor=quinn, grant=old.pk, days=5, reason="x", at=now())
