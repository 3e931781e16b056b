"""The frame around every page says of its person what the decision says."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from django.contrib.auth.models import Group

from procedures import access
from procedures.access.decision import bounded_rights, live_rights
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import Membership, Person
from procedures.queries.pages_shell import shell_for
from tests.access.test_grants import hours
from tests.factories.portal import World

FLAGS = {"manage_access": "manages", "operate": "operates", "audit": "audits"}
HOUR = timedelta(hours=1)


def agrees(person: Person) -> dict[str, bool]:
    """The flags, each of them held against the decision."""
    at = now()
    shell = shell_for(person, at)
    found = {verb: getattr(shell, flag) for verb, flag in FLAGS.items()}
    assert found == {verb: access.decide(person, verb, at=at).allowed for verb in FLAGS}, person.username
    engaged = live_rights(person, "audit", at).exists() or bounded_rights(person, at).exists()
    assert shell.engaged == engaged, person.username
    return {**found, "engaged": shell.engaged}


@pytest.mark.parametrize("verb", FLAGS)
def test_each_flag_is_what_is_decided_wherever_and_whenever_the_verb_is_held(world: World, verb: str) -> None:
    world.accepted()
    numbers, at = count(), now()
    there = {"procedure": "hello"}
    some = {"environments": ["development"]}
    hourly = [({"window": hours(at - HOUR, at + HOUR)}, True), ({"window": hours(at + HOUR, at + 2 * HOUR)}, False)]
    for more, whole in [
        *(hourly if verb == "audit" else []),  # the others have dates, and no hours
        ({}, True),
        (there, False),
        (some, verb == "operate"),  # asked of no environment, it is held in any
        (there | some, False),
        ({"not_before": moment(at + HOUR)}, False),
    ]:
        person = world.person(f"person-{next(numbers)}")
        assert not any(agrees(person).values())
        world.may(person, verb, **more)
        assert agrees(person)[verb] is whole, more


def test_an_engagement_for_a_period_a_group_and_a_closed_account_are_told_as_they_are_decided(world: World) -> None:
    world.accepted()
    edda, nils, carl = (world.person(name) for name in ("edda", "nils", "carl"))
    world.may(edda, "audit", period={"from": moment(now() - HOUR), "to": moment(now())})
    assert agrees(edda) == {"manage_access": False, "operate": False, "audit": False, "engaged": True}
    group = Group.objects.create(name="night")
    Membership.objects.create(person=nils, group=group, since_at=now(), added_by=world.mira)
    world.may(nils, "operate", principal="group:night")
    assert agrees(nils)["operate"]
    world.may(carl, "manage_access", "operate", "audit")
    assert all(agrees(carl).values())
    carl.is_active = False
    assert not any(agrees(carl).values())
