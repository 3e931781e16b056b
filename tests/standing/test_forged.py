"""Schedules and hooks that a database or a door made up: they fire, and the issuer lends them nothing (H1, H13)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from procedures.answers.drift import drift
from procedures.domain import deliveries
from procedures.domain import standing as rules
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Fire, Run, Standing
from procedures.services import standing_states
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import written
from tests.standing.conftest import Plant, due, lent, swept

pytestmark = pytest.mark.once
BODY = {"who": {"name": "Zoe"}}


def test_a_chain_that_a_platform_shortened_is_long_for_the_issuer(production: Plant) -> None:
    """The creator is left out of the event by whoever wrote it: signed changes name her all the same."""
    production.sets("schedule", production.schedule(environment="staging"))
    row = replay().standing["schedule", "nightly"]
    assert row["stands"]
    assert {who for who, _ in rules.behind(row, profile="team")} == {str(production.olga.subject)}
    assert str(production.world.mira.subject) in {who for who, _ in rules.behind(row, profile="separate")}


def forged(plant: Plant, kind: str, object: dict[str, Any]) -> Standing:
    """A row that raw SQL wrote, as whoever holds the database's password would: over an honest one of development."""
    row = plant.sets(kind, {**object, "environment": "development", "name": "honest"})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procedures_standing SET name = %s, environment_id = 'staging', change = %s WHERE id = %s",
            [object["name"], row.change.hex if connection.vendor == "sqlite" else str(row.change), _id(row)],
        )
    Standing.objects.filter(pk=row.pk).update(object=object)
    return Standing.objects.get(pk=row.pk)


def _id(row: Standing) -> str:
    return row.pk.hex if connection.vendor == "sqlite" else str(row.pk)


def test_a_schedule_that_sql_wrote_fires_and_is_lent_nothing(production: Plant) -> None:
    row = forged(production, "schedule", production.schedule(environment="staging"))
    assert swept(due(row)) == 1
    run = Run.objects.get()
    with pytest.raises(LeaseRefused, match="was set by no change"):
        lent(run)
    assert {("standing", "schedule nightly")} <= {(one.kind, one.what) for one in drift(now())}
    written("schedule", row.object)
    with pytest.raises(LeaseRefused, match=r"asserted by the platform alone|was set by no change"):
        lent(run)


def test_a_schedule_in_production_needs_two_people_one_of_whom_decides_there(production: Plant) -> None:
    change = production.world.propose("schedule", production.schedule(environment="staging"), by=production.olga)
    assert change.state == "proposed"
    row = production.sets("schedule", production.schedule(environment="staging"))
    assert swept(due(row)) == 1
    assert lent(Run.objects.get()) == ()


def test_a_run_that_says_it_was_planned_is_held_against_the_signed_plan(production: Plant) -> None:
    row = production.sets("schedule", production.schedule(environment="staging"))
    Standing.objects.filter(pk=row.pk).update(next_at=now() - timedelta(seconds=5))
    Standing.objects.filter(pk=row.pk).update(object={**row.object, "when": {"cron": "* * * * *", "zone": "UTC"}})
    row.refresh_from_db()
    swept(due(row) + timedelta(minutes=1))
    with pytest.raises(LeaseRefused, match="plans nothing at"):
        lent(Run.objects.get())


def test_other_parameters_in_the_table_are_lent_nothing(production: Plant) -> None:
    row = production.sets("schedule", production.schedule(environment="staging"))
    Standing.objects.filter(pk=row.pk).update(object={**row.object, "parameters": {"name": "Eve"}})
    swept(due(row))
    with pytest.raises(LeaseRefused, match="other parameters"):
        lent(Run.objects.get())


def test_a_pause_that_sql_lifts_and_an_end_are_lent_nothing(production: Plant) -> None:
    row = production.sets("schedule", production.schedule(environment="staging"))
    standing_states.pause(actor=production.olga, kind="schedule", name="nightly", reason="holidays", at=now())
    Standing.objects.filter(pk=row.pk).update(paused_at=None)
    swept(due(row))
    run = Run.objects.get()
    with pytest.raises(LeaseRefused, match="was paused when"):
        lent(run)
    standing_states.pause(actor=production.olga, kind="schedule", name="nightly", reason="holidays", at=now())
    ends = {"kind": "schedule", "name": "nightly", "procedure": "hello", "environment": "staging", "reason": "over"}
    production.world.propose("standing_end", ends, by=production.olga)
    row.refresh_from_db()
    assert row.ended_at is not None
    with pytest.raises(LeaseRefused, match="was paused when"):
        lent(run)
    assert not [one for one in drift(now()) if one.kind == "standing"]


def test_a_delivery_in_production_is_verified_again_by_the_issuer(production: Plant) -> None:
    production.sets("hook", production.hook(environment="staging"))
    production.send(BODY)
    run = Run.objects.get()
    assert lent(run) == ()
    fire = Fire.objects.get(run=run)
    for body, why in ((b'{"who": {"name": "Eve"}}', "not the one that was taken"), (b"", "not the one that was taken")):
        Fire.objects.filter(pk=fire.pk).update(body=body)
        with pytest.raises(LeaseRefused, match=why):
            lent(run)


def test_a_delivery_that_the_door_made_up_is_lent_nothing(production: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compromised web process believes any signature; the issuer has the signed public key."""
    production.sets("hook", production.hook(environment="staging"))
    key = Standing.objects.get().object["keys"][0]["key"]
    with monkeypatch.context() as patch:
        patch.setattr("procedures.services.deliveries._proven", lambda row, headers, body: (_read(headers, body), key))
        production.send(BODY, key=deliveries.new_pair()[0])
    with pytest.raises(LeaseRefused, match="No key of the hook deployed signed"):
        lent(Run.objects.get())


def _read(headers: Any, body: bytes) -> Any:
    return deliveries.read("ed25519", headers, body)


def test_a_name_is_not_taken_over_by_another_place(production: Plant) -> None:
    production.sets("schedule", production.schedule(environment="staging"))
    with pytest.raises(InvalidInput, match="belongs to hello in staging"):
        production.sets("schedule", production.schedule())
    written("schedule", production.schedule())
    assert replay().standing["schedule", "nightly"]["environment"] == "staging"


def test_a_pack_says_nothing_against_honest_ones_and_names_a_forged_one(production: Plant, tmp_path: Path) -> None:
    production.sets("hook", production.hook(environment="staging"))
    row = production.sets("schedule", production.schedule(environment="staging"))
    swept(due(row))
    ends = {"kind": "schedule", "name": "nightly", "procedure": "hello", "environment": "staging", "reason": "over"}
    production.world.propose("standing_end", ends, by=production.olga)
    assert replay().asserted == {}
    sequencer = Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published")
    log = Log(production.world, sequencer, Run.objects.get())
    assert verify.verify(log.pack(), log.key)["asserted"] == []
    written("schedule", production.schedule(environment="staging", name="forged"))
    assert [one["control"] for one in verify.verify(log.pack(), log.key)["asserted"]] == ["schedule"]
