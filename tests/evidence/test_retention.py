"""How long a run is kept: a floor that two people set, which an author may only lengthen (H36)."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence import verify
from procedures.evidence.models import Event
from procedures.models import ControlChange, Person, Run, Version
from procedures.queries import retention
from procedures.runner.drive import drive
from procedures.services import versions
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import written
from tests.factories.portal import World, new_world

pytestmark = pytest.mark.ordinary

SAID = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: said}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: 1m
  evidence: {retention: RETENTION}
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: ['true']}}
"""


def submitted(world: World, retained: str) -> tuple[Person, Version]:
    adam = Person.objects.filter(username="adam").first() or world.person("adam")
    world.may(adam, "author", "run")
    files = {"procedure.yaml": SAID.replace("RETENTION", retained).encode(), "README.md": b"x"}
    return adam, versions.submit_version(actor=adam, files=files, note="", at=now())


def run_of(world: World, retained: str) -> Run:
    adam, version = submitted(world, retained)
    world.review(world.mira, version, "operations")
    run = world.ask(adam, procedure="said")
    drive(run.id)
    run.refresh_from_db()
    return run


def days_in_log(run: Run) -> int:
    """What the run's seal says, and its request."""
    assert run.ended_at is not None
    seal = json.loads(bytes(Event.objects.get(run=run.id, kind="run.finished").header))
    asked = json.loads(bytes(Event.objects.get(run=run.id, kind="run.requested").body))
    assert seal["kept"] == moment(run.ended_at + timedelta(days=asked["kept"]["days"]))
    return int(asked["kept"]["days"])


@pytest.mark.parametrize(("declared", "days"), [("1d", 365), ("7y", 7 * 365), ("9999d", 9999), ("999999999y", 36_500)])
def test_an_author_lengthens_and_never_shortens(db: None, declared: str, days: int) -> None:
    run = run_of(new_world(), declared)
    assert (run.kept_days, days_in_log(run)) == (days, days)
    assert retention.kept_until(run) == run.ended_at + timedelta(days=days)


def test_a_declaration_below_the_floor_is_told_to_reviewers_and_on_the_page_of_the_run(db: None) -> None:
    world = new_world()
    _, version = submitted(world, "1d")
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/reviews/{version.id}/").content.decode()
    assert "declared by the author: 1d is below the floor of 365 days, which holds" in page
    assert any(one["code"] == "retention" for one in version.findings)
    run = run_of(world, "7y")
    page = client.get(f"/runs/{run.id}/").content.decode()
    assert "Kept, as its author declared" in page
    assert f"until {run.kept_until_at.day} " in page
    told = client.get(f"/api/v1/runs/{run.id}/").json()["kept"]
    assert told == {"days": 2555, "declared": 2555, "until": moment(run.kept_until_at), "purged": None}


def test_the_floor_takes_two_people_and_no_run_of_before_is_kept_for_less(db: None) -> None:
    world = new_world()
    before = run_of(world, "1d")
    change = world.propose("retention", {"days": 30})
    assert change.state == ControlChange.State.PROPOSED
    assert retention.floor_in_force() == 365
    world.confirmed("retention", {"days": 40})
    assert retention.floor_in_force() == 40
    was = before.kept_until_at
    before.refresh_from_db()
    assert (before.kept_days, before.kept_until_at) == (365, was)
    assert run_of(world, "2d").kept_days == 40
    assert run_of(world, "41d").kept_days == 41


def test_the_floor_set_by_one_hand_counts_for_nothing_in_a_pack(log: Log) -> None:
    written("retention", {"days": 30})
    assert [row["control"] for row in verify.verify(log.pack(), log.key)["asserted"]] == ["retention"]


def test_no_update_brings_a_date_nearer(db: None) -> None:
    run = run_of(new_world(), "7y")
    for change in ({"kept_until_at": now()}, {"kept_until_at": None}, {"kept_days": 1}):
        with pytest.raises(DatabaseError, match="kept for less"), transaction.atomic():
            Run.objects.filter(pk=run.pk).update(**change)
    Run.objects.filter(pk=run.pk).update(kept_until_at=run.kept_until_at + timedelta(days=1))
