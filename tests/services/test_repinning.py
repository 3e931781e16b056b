"""A caller is pinned to what it calls: once that changes, its owner is told and one word asks for a new pin."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Person, Version
from procedures.queries.due import due_for_review, moved_on
from procedures.services import life
from procedures.services.calls import CalleeChanged
from procedures.services.life import NotDue
from tests.engine.test_calls import CALL, GREET, accept, parent
from tests.factories.portal import World

BACKEND = "procedures.access.backend.PasswordBackend"


def author(world: World) -> Person:
    tom = world.person("tom")
    world.may(tom, "author", "view", "run")
    return tom


def standing() -> Version:
    return Version.objects.get(procedure__name="parent", state="accepted")


def test_a_caller_of_what_changed_is_due_and_its_renewal_pins_what_is_accepted_now(world: World) -> None:
    accept(world, "greet", GREET)
    parent(world, CALL)
    tom = author(world)
    with pytest.raises(NotDue):
        life.resubmit_version(actor=tom, version=standing().pk, note="", at=now())
    assert due_for_review(tom, now()) == []
    newer = accept(world, "greet", GREET.replace("hello", "good day"))
    assert [(row.procedure.name, moved_on(row, now())) for row in due_for_review(tom, now())] == [("parent", ["greet"])]
    again = life.resubmit_version(actor=tom, version=standing().pk, note="", at=now())
    assert again.closure["calls"] == [["greet", newer.digest]]
    assert due_for_review(tom, now()) == [], "it is under review"
    world.review(world.mira, again, "operations")
    assert (moved_on(standing(), now()), due_for_review(tom, now())) == ([], [])
    assert world.ask(tom, procedure="parent").state == "queued"


def test_a_caller_of_a_caller_is_due_too(world: World) -> None:
    accept(world, "greet", GREET)
    accept(world, "middle", f"  callableBy: [parent]\n  steps:\n    - {CALL}\n")
    parent(world, "{id: go, action: 'procedure:run', timeout: 30s, input: {procedure: middle}}")
    callee = Version.objects.get(procedure__name="greet", state="accepted")
    life.revoke_version(actor=world.mira, version=callee.pk, reason="a hole", at=now())
    tom = author(world)
    with pytest.raises(CalleeChanged):
        world.ask(tom, procedure="parent")
    found = {row.procedure.name: moved_on(row, now()) for row in due_for_review(tom, now())}
    assert found == {"middle": ["greet"], "parent": ["middle"]}


def test_the_pages_and_the_api_say_why_it_runs_no_more(world: World) -> None:
    accept(world, "greet", GREET)
    parent(world, CALL)
    tom = author(world)
    client = Client(HTTP_HOST="localhost")
    client.force_login(tom, backend=BACKEND)
    accept(world, "greet", GREET.replace("hello", "good day"))
    assert "greet changed since v1 was accepted" in client.get("/procedures/parent/").content.decode()
    assert "pinned to what changed since: greet" in client.get("/reviews/").content.decode()
    assert client.get("/api/v1/versions/?due=1").json()["results"][0]["moved_on"] == ["greet"]
    version = standing()
    assert "Have these bytes reviewed again" in client.get(f"/reviews/{version.pk}/").content.decode()
