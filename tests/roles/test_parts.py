"""The wall that every test on PostgreSQL stands behind: what a runner does in it, it does by its own role."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import ProgrammingError, connection, connections, transaction

from procedures.models import Grant, Run
from procedures.queries import separation
from procedures.runner import drive as driving
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.parts import acting_as

pytestmark = pytest.mark.postgresql


def whoami() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


@pytest.fixture
def world(db: None) -> World:
    return new_world()


def asked(world: World) -> Run:
    quinn = world.person("quinn")
    world.may(quinn, "run")
    return world.ask(quinn)


def test_a_run_is_driven_by_the_role_of_its_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(driving, "_go", lambda *words: seen.append((whoami(), words[-1].run.state)))
    world.accepted()
    run = asked(world)
    driving.drive(run.pk)
    assert seen == [("parts_runner_development", "running")]
    assert whoami() == "opsportal"


def test_a_role_sees_its_own_runs_and_writes_no_grant(world: World) -> None:
    world.accepted()
    run = asked(world)
    for environment, sees in (("development", True), ("staging", False)):
        with acting_as("runner", environment):
            assert Run.objects.filter(pk=run.pk).exists() is sees
            with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
                Grant.objects.update(reason="x")


def test_a_thread_has_the_role_too(fresh_database: FreshDatabase) -> None:
    with acting_as("runner", "staging"):
        connections["default"].close()
        assert whoami() == "parts_runner_staging"


def test_packs_and_pages_say_whether_web_owns_the_tables(world: World, settings: Any) -> None:
    settings.OPSPORTAL_PROFILE = "production"
    for as_whom, owned in ((nullcontext(), True), (acting_as("web"), False)):
        for cached in (separation._owned, separation._beside, separation.of_this_process):
            cached.cache_clear()
        with as_whom:
            assert (separation.OWNED in separation.separation().told) is owned
    separation.of_this_process.cache_clear()
