"""Cold storage: bodies of old runs lie elsewhere, every reader gets what it got, and only a purge takes them away."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from procedures.answers.fsck import findings
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import check, cold, cooling, verify
from procedures.evidence.models import ColdBundle, Event, Leaf
from procedures.models import Person, Purge, Run
from procedures.runner.drive import drive
from procedures.runner.erasing import Erasing
from procedures.services import cold as service
from procedures.services.sweeping import sweep
from tests.evidence.conftest import Log
from tests.evidence.test_legal_holds import held
from tests.evidence.test_purges import all_say, confirmed, object_of, old, page, purged
from tests.fixtures.offline_verifier import Engine

__all__ = ["old", "page"]


def stored(run: Run) -> list[bytes]:
    """The column as it lies."""
    rows = Event.objects.filter(run=run.pk).order_by("n").values_list(cooling.STORED, flat=True)
    return [bytes(row) for row in rows]


def read(run: Run) -> list[bytes]:
    return [bytes(row) for row in Event.objects.filter(run=run.pk).order_by("n").values_list("body", flat=True)]


def cooled(log: Log) -> Log:
    log.sequence()
    assert service.sweep(at=now() + timedelta(days=91)) >= 1
    assert all(map(cold.is_place, stored(log.run)))
    return log


def signed_in(log: Log) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(log.world.mira, backend="procedures.access.backend.PasswordBackend")
    return client


def bodies(pack: bytes) -> bytes:
    """The first bundle of bodies of a pack."""
    with zipfile.ZipFile(io.BytesIO(pack)) as file:
        return file.read("bodies/00000000.jsonl")


def test_nothing_that_reads_a_body_can_tell_where_it_lies(log: Log, page: Engine) -> None:
    before, pack = read(log.run), log.pack()
    cooled(log)
    assert read(log.run) == before
    assert [bytes(row.body) for row in Event.objects.filter(run=log.run.pk).order_by("n")] == before
    leaves = Leaf.objects.filter(event__run=log.run.pk).order_by("event__n")
    assert [bytes(row) for row in leaves.values_list("event__body", flat=True)] == before
    assert [bytes(leaf.event.body) for leaf in leaves.select_related("event")] == before
    after = log.pack()
    assert all_say(page, log, pack) == all_say(page, log, after) == "SIGNED"
    assert bodies(after).startswith(bodies(pack)), "the same bytes, in a pack that ends a little later"
    assert check.check() == []
    assert {one.kind for one in findings(now())} <= {"key.unknown"}


def test_pages_and_doors_tell_a_cold_run_as_before(log: Log) -> None:
    cooled(log)
    client = signed_in(log)
    events = client.get(f"/api/v1/runs/{log.run.pk}/events/").json()["results"]
    assert len(events) == len(stored(log.run))
    assert all(row["facts"]["salt"] for row in events)
    event = Event.objects.get(run=log.run.pk, kind="run.requested")
    assert client.get(f"/evidence/{event.pk}/").status_code == 200
    proof = client.get(f"/api/v1/runs/{log.run.pk}/proof/").content
    assert verify.verify_entry(proof, log.key)["body"]["seal"]["n"] == len(events)
    for path in (f"/runs/{log.run.pk}/", f"/api/v1/runs/{log.run.pk}/dossier/"):
        assert client.get(path).status_code == 200
    assert client.get("/api/v1/evidence/retention/").json()["cold"] == 1
    assert "The evidence of 1 older run lies in cold storage" in client.get("/evidence/").content.decode()


def test_only_what_ended_long_ago_and_is_in_the_log_moves_once(log: Log) -> None:
    late = now() + timedelta(days=91)
    with_one_waiting = log.world.ask(Person.objects.get(username="quinn"))
    drive(with_one_waiting.id)
    assert service.sweep(at=now() + timedelta(days=89)) == 0
    assert service.sweep(at=late) == 0, "no event of either is in the log yet"
    log.sequence()
    assert sweep(at=late)["cold"] == 2
    moved = stored(log.run), ColdBundle.objects.count()
    assert sweep(at=late)["cold"] == 0
    assert (stored(log.run), ColdBundle.objects.count()) == moved
    assert Run.objects.get(pk=log.run.pk).cold_at == late
    assert not any(map(cold.is_place, Event.objects.filter(run=None).values_list(cooling.STORED, flat=True)))


def test_nothing_moves_where_the_days_are_none(log: Log, settings: Any) -> None:
    log.sequence()
    settings.OPSPORTAL_COLD_DAYS = 0
    assert service.sweep(at=now() + timedelta(days=4_000)) == 0
    assert not ColdBundle.objects.exists()


def test_a_long_run_lies_in_several_bundles_and_one_broken_off_goes_on(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.sequence()
    before = read(log.run)
    monkeypatch.setattr(cooling, "MOST_BYTES", max(map(len, before)) + 1)
    first = cooling._next(log.run.pk)
    cooling._move(log.run.pk, first)
    assert 0 < sum(map(cold.is_place, stored(log.run))) == len(first) < len(before)
    assert read(log.run) == before
    cooled(log)
    sizes = [len(row) for row in ColdBundle.objects.values_list("data", flat=True)]
    assert len(sizes) > 2
    assert sum(sizes) == sum(map(len, before))
    assert max(sizes) <= cooling.MOST_BYTES
    assert read(log.run) == before


def test_a_purge_takes_a_cold_run_and_all_that_lay_there(old: Log, page: Engine) -> None:
    cooled(old)
    other = Run.objects.exclude(pk=old.run.pk).get()
    purged(old)
    assert set(stored(old.run)) == {b""}
    assert set(ColdBundle.objects.values_list("run", flat=True)) == {other.pk}
    assert all_say(page, old, old.pack()) == "SIGNED"
    assert verify.verify(old.pack(), old.key)["purged"][0]["runs"] == 1
    assert check.check() == []
    assert service.sweep(at=now() + timedelta(days=400)) == 0


def test_what_two_people_purged_does_not_move_any_more(old: Log) -> None:
    old.sequence()
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    assert Purge.objects.filter(done_at=None).exists()
    assert service.sweep(at=now() + timedelta(days=91)) == 1, "the other one"
    assert not any(map(cold.is_place, stored(old.run)))


def test_a_hold_keeps_a_run_where_it_is_and_a_cold_one_from_being_purged(old: Log) -> None:
    old.sequence()
    hold = held(old, run=str(old.run.pk))
    assert service.sweep(at=now() + timedelta(days=91)) == 1, "the other one"
    assert not any(map(cold.is_place, stored(old.run)))
    confirmed(old, old.world.propose("legal_hold_end", {"hold": str(hold.pk), "reason": "settled"}))
    cooled(old)
    held(old, run=str(old.run.pk))
    with pytest.raises(InvalidInput, match="under a legal hold"):
        old.world.propose("redaction", object_of(old.run))
    assert Erasing().round(at=now())["purged"] == 0
    assert read(old.run)
