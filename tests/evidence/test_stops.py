"""A claim in production that passed a stop switch is named by every pack, whatever the tables say of the switch."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.models import Person, Stop
from procedures.services import claims, holds, stops
from procedures.services.run_states import note
from tests.engine.test_runs import procedure
from tests.evidence.test_break_glass import on_call
from tests.evidence.test_passkeys import Office
from tests.factories.portal import new_world
from tests.fixtures.databases import FreshDatabase
from tests.services.test_deputies import at_once
from tests.services.test_queue import ONE, me
from tests.services.test_stops import operator

PLACES = {
    "production": {"environment": "production"},
    "clear-cache": {"procedure": "clear-cache"},
    "the whole portal": {},
}


@pytest.fixture
def office(db: None, tmp_path: Path) -> Office:
    return on_call(tmp_path)


def asserted(office: Office) -> list[tuple[str, str]]:
    found = verify.verify(office.log.pack(), office.log.key)
    return [(row["control"], row["why"]) for row in found["asserted"]]


def claimed_by_sql(office: Office) -> None:
    facts = {"runner": "x", "digest": office.run.digest, "plan_digest": office.run.plan_digest}
    with transaction.atomic():
        note("run.claimed", office.run, at=now(), actor=None, facts=facts)


def thrown(office: Office, place: dict[str, str]) -> Stop:
    world = office.log.world
    olga = Person.objects.filter(username="guard").first() or operator(world, "guard")
    return stops.throw(actor=olga, reason="The disks fill up", at=now(), **place)


@pytest.mark.once
@pytest.mark.parametrize("what", PLACES)
def test_a_claim_past_a_stop_is_told_also_where_the_tables_lifted_it(office: Office, what: str) -> None:
    office.approve()
    made = thrown(office, PLACES[what])
    Stop.objects.filter(pk=made.pk).update(lifted_at=now())
    claimed_by_sql(office)
    assert asserted(office) == [("stop", f"was claimed while {what} was stopped")]


@pytest.mark.once
def test_what_was_lifted_by_a_change_that_stands_or_stops_another_place_is_not_told(office: Office) -> None:
    office.approve()
    world = office.log.world
    thrown(office, {"environment": "staging"})
    world.confirmed("stop_lift", stops.lift_of(thrown(office, {"procedure": "clear-cache"}), "The disks are empty"))
    claimed_by_sql(office)
    assert asserted(office) == []


def test_a_switch_waits_for_a_claim_that_has_looked_and_stands_behind_it_in_the_log(
    fresh_database: FreshDatabase,
) -> None:
    """Between the claim's look at the stops and its commit: else a pack would accuse a portal that did as it should."""
    world = new_world()
    olga, quinn = operator(world), procedure(world, "job", ONE)
    run = world.ask(quinn, procedure="job")
    looked, done = threading.Event(), threading.Event()

    def claim() -> None:
        with transaction.atomic():
            holds.mutex("development")
            looked.set()
            done.wait(1)
            note("run.claimed", run, at=now(), actor=None, facts={"runner": "x", "digest": "x", "plan_digest": "x"})

    def throw() -> None:
        looked.wait(10)
        stops.throw(actor=olga, reason="now", at=now())
        done.set()

    at_once(claim, throw)
    kinds = Event.objects.filter(kind__in=["run.claimed", "stop.thrown"]).order_by("outbox__id")
    assert list(kinds.values_list("kind", flat=True)) == ["run.claimed", "stop.thrown"]
    assert claims.claim_run(run=run.pk, runner=me(), at=now()) is None
