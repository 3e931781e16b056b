"""Answers that need a second person, and two that are given at once."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.states import StateConflict
from procedures.models import ControlChange, Grant, Person
from procedures.services import access_answers, controls, leavers
from procedures.services.request_states import NoLongerGrantable
from tests.factories.access_requests import answer, ask, kinds, offer, signed_by, state
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase


@pytest.fixture
def strict(db: None) -> tuple[World, Person, Person]:
    """A portal of the profile `separate` with a second manager, and somebody who asks."""
    world = new_world(profile="team")
    world.accepted()
    nora = world.person("nora", key=True)
    world.may(nora, "manage_access")
    world.confirmed("profile", {"profile": "separate"})
    return world, nora, world.person("quinn")


def test_in_production_with_separate_a_confirmer_closes_the_request(strict: tuple[World, Person, Person]) -> None:
    world, nora, quinn = strict
    row = ask(quinn, environments=["production"])
    change = answer(world, world.mira, row)
    assert (state(row), change.state) == ("proposed", "proposed")
    with pytest.raises(StateConflict, match="proposed already by Mira"):
        answer(world, nora, row)
    controls.refuse(actor=nora, change=change.pk, reason="shorter, please", at=now())
    assert (state(row), row.change_id) == ("open", None)
    change = answer(world, world.mira, row)
    controls.confirm(actor=nora, change=change.pk, signature=world.signed("nora", bytes(change.statement)), at=now())
    assert state(row) == "granted"
    assert kinds(row) == [
        "access.asked",
        "access.proposed",
        "access.reopened",
        "access.proposed",
        "access.granted",
    ]


def test_what_its_asker_withdraws_no_confirmer_can_put_in_force(strict: tuple[World, Person, Person]) -> None:
    world, nora, quinn = strict
    row = ask(quinn, environments=["production"])
    change = answer(world, world.mira, row)
    access_answers.withdraw_request(actor=quinn, request=row.pk, at=now())
    signed = world.signed("nora", bytes(change.statement))
    with pytest.raises(OpsError, match="refused"):
        controls.confirm(actor=nora, change=change.pk, signature=signed, at=now())
    assert (state(row), Grant.objects.filter(pk=change.pk).exists()) == ("withdrawn", False)
    row = ask(quinn, environments=["production"])
    change = answer(world, world.mira, row)
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    with pytest.raises(NoLongerGrantable, match="account"):
        controls.confirm(actor=nora, change=change.pk, signature=signed_by(world, change), at=now())
    assert access_answers.lapse_requests(at=now()) == 1
    assert (state(row), ControlChange.objects.get(pk=change.pk).state) == ("lapsed", "refused")


def test_two_managers_decide_at_once_and_one_is_told(fresh_database: FreshDatabase) -> None:
    world = new_world()
    world.accepted()
    nora = world.person("nora", key=True)
    world.may(nora, "manage_access")
    row = ask(world.person("quinn"))
    made, told = offer(row), []
    ready = threading.Barrier(2)

    def decide(who: Person) -> None:
        ready.wait()
        try:
            answer(world, who, row, dict(made))
            told.append("granted")
        except StateConflict as problem:
            told.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide, args=(who,)) for who in (world.mira, nora)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["granted", "state.conflict"]
    assert Grant.objects.filter(person__username="quinn").count() == 1
