"""Stop switches: who throws one, what stands still, who lifts it; and whoever lifts one by SQL gets no lease."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from procedures.domain import stops as rules
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.replay import replay
from procedures.models import Notice, Person, Run, Space, Stop
from procedures.queries import stops as queries
from procedures.queries import waiting
from procedures.services import claims, stops
from procedures.services.stops import StoppedAlready
from tests.engine.test_runs import procedure
from tests.factories.connections import browser
from tests.factories.portal import World
from tests.services.test_queue import ONE, claim, next_up

pytestmark = pytest.mark.ordinary


def operator(world: World, name: str = "olga", **where: Any) -> Person:
    row = world.person(name, key=True)
    world.may(row, "operate", **where)
    return row


def throw(actor: Person, **place: str) -> Stop:
    return stops.throw(actor=actor, reason="The disks fill up", at=now(), **place)


def told(run: Run, asker: Person) -> list[str]:
    row = Run.objects.select_related("environment", "procedure", "requester", "version").get(pk=run.pk)
    return [why.text for why in waiting.waiting_for(row, asker, now())]


@pytest.mark.parametrize("place", [{}, {"environment": "development"}, {"procedure": "job"}])
def test_a_stop_keeps_what_waits_waiting_with_words_and_stops_what_runs(world: World, place: dict[str, str]) -> None:
    quinn, olga = procedure(world, "job", ONE), operator(world)
    running, queued = world.ask(quinn, procedure="job"), world.ask(quinn, procedure="job")
    taken = claim(running)
    assert taken is not None
    made = throw(olga, **place)
    assert claims.beat(run=running.pk, token=taken.token) == "stop"
    assert (claim(queued), next_up()) == (None, [])
    [text] = told(queued, quinn)
    what = place.get("environment") or place.get("procedure") or "the whole portal"
    assert text.startswith(f"Olga stopped {what} at ")
    assert text.endswith("The disks fill up. It goes on when somebody else has lifted that.")
    refused = world.ask(quinn, procedure="job")
    assert (refused.state, "Olga stopped" in refused.message) == ("denied", True)
    [fact] = facts_of_kinds("stop.thrown")
    assert (fact.actor, fact.facts["reason"]) == (str(olga.subject), "The disks fill up")
    assert Notice.objects.filter(kind="stop.thrown", person=world.mira).exists()
    with pytest.raises(StoppedAlready):
        throw(olga, **place)
    world.confirmed("stop_lift", stops.lift_of(made, "The disks are empty"))
    assert next_up() == [queued.pk]
    assert replay().stops == {}
    assert claim(queued) is not None


def test_who_may_throw_which_switch(world: World) -> None:
    procedure(world, "job", ONE)
    near = operator(world, "near", environments=["development"])
    with pytest.raises(NotAllowed, match="may not stop production"):
        throw(near, environment="production")
    with pytest.raises(NotAllowed, match="may not stop the whole portal"):
        throw(near)
    with pytest.raises(NotAllowed, match="leads of its space"):
        throw(near, procedure="job")
    with pytest.raises(NotAllowed, match="may not stop nowhere"):
        throw(near, environment="nowhere")
    assert throw(near, environment="development").environment_id == "development"
    lead, guard, quinn = world.person("lena"), world.person("sam", "security"), world.person("quinn")
    Space.objects.create(
        name="jobs", title="Jobs", leads=[f"person:{lead.subject}"], procedures=["job"], environments=["development"],
        verbs=["run"], days=1, risk="low", event=UUID(int=0), since_at=now(),
    )  # fmt: skip
    with pytest.raises(NotAllowed):
        throw(quinn, procedure="job")
    first = throw(lead, procedure="job")
    world.confirmed("stop_lift", stops.lift_of(first, "fine"))
    throw(guard, procedure="job")
    with pytest.raises(InvalidInput, match="not one within the other"):
        throw(guard, procedure="job", environment="development")


def test_in_production_somebody_else_lifts_it_with_a_signature(world: World) -> None:
    olga, petra = operator(world), operator(world, "petra")
    made = throw(olga, environment="production")
    object = stops.lift_of(made, "It is over")
    with pytest.raises(NotAllowed, match="somebody else lifts it"):
        world.propose("stop_lift", object, by=olga)
    with pytest.raises(InvalidInput, match="name exactly that"):
        world.propose("stop_lift", {"stop": str(made.pk), "reason": "x", "environment": "development"}, by=petra)
    change = world.propose("stop_lift", object, by=petra)
    assert change.state == "confirmed"
    made.refresh_from_db()
    assert (made.lifted_by, replay().stops) == (petra, {})


def test_whoever_threw_it_reads_why_somebody_else_confirms_its_lift(world: World) -> None:
    olga, petra = operator(world), operator(world, "petra")
    world.confirmed("profile", {"profile": "separate"})
    change = world.propose("stop_lift", stops.lift_of(throw(olga, environment="production"), "over"), by=petra)
    shown = browser(olga).get(f"/changes/{change.pk}/").content.decode()
    assert ("You threw this switch" in shown, ">Refuse<" in shown) == (True, True)
    assert "You threw this switch" not in browser(petra).get(f"/changes/{change.pk}/").content.decode()


def test_a_stop_lifted_by_sql_stands_for_the_issuer(world: World) -> None:
    olga = operator(world)
    made = throw(olga, environment="production")
    Stop.objects.filter(pk=made.pk).update(lifted_at=now(), lifted_by=olga)
    assert rules.covering(replay().stops, "production", ["job"]) == "production"
    assert rules.covering(replay().stops, "development", ["job"]) == ""


def test_a_procedure_that_is_stopped_stops_what_calls_it(world: World) -> None:
    quinn, petra, olga = procedure(world, "inner", ONE), procedure(world, "outer", ONE), operator(world)
    inner, outer = world.ask(quinn, procedure="inner"), world.ask(petra, procedure="outer")
    made = throw(olga, procedure="inner")
    assert queries.of_run(outer) is None
    assert queries.of_run(outer, [inner.version_id]) == made
    taken = claim(outer)
    assert taken is not None
    assert claims.beat(run=outer.pk, token=taken.token) == ""
    assert claims.beat(run=outer.pk, token=taken.token, calls=[str(inner.version_id)]) == "stop"
