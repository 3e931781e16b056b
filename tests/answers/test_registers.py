"""Exceptions and registers, told from the events, and auditors' reads, which are events themselves."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from procedures.answers import registers
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Person, Run
from procedures.services import exports, readings
from procedures.web.views import answers
from tests.evidence.conftest import Log, ended
from tests.fixtures.settled import Settled

BACKEND = "procedures.access.backend.PasswordBackend"


@pytest.fixture
def log(db: None, settled: Settled, tmp_path: Path) -> Log:
    found: Log = settled(ended, tmp_path)
    return found


def client(log: Log, name: str = "edda") -> Client:
    person = log.world.person(name)
    log.world.may(person, "audit")
    made = Client(HTTP_HOST="localhost")
    made.force_login(person, backend=BACKEND)
    return made


def test_an_auditors_read_is_recorded_once_an_hour_and_stands_on_the_run(log: Log) -> None:
    web, path = client(log), f"/runs/{log.run.pk}/"
    for _ in range(3):
        page = web.get(path).content.decode()
    assert "Read by auditors" in page
    reads = Event.objects.filter(kind="evidence.read")
    assert reads.count() == 1
    run = Run.objects.select_related("procedure", "environment").get(pk=log.run.pk)
    edda = Person.objects.get(username="edda")
    readings.note_run_read(actor=edda, run=run, at=now() + timedelta(hours=2))
    assert reads.count() == 2
    assert [one.what for one in registers.reads(now() + timedelta(hours=3))] == [f"run {run.pk}"] * 2


def test_whoever_asked_for_a_run_leaves_no_read_and_sees_none(log: Log) -> None:
    client(log).get(f"/runs/{log.run.pk}/")
    web = Client(HTTP_HOST="localhost")
    web.force_login(log.run.requester, backend=BACKEND)
    assert "Read by auditors" not in web.get(f"/runs/{log.run.pk}/").content.decode()
    assert Event.objects.filter(kind="evidence.read").count() == 1


def test_a_register_speaks_in_words_and_says_where_it_stops(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.sequence()
    web = client(log)
    said = " ".join(one.what for one in registers.changes(now()))
    assert "expires at 20" in said
    assert not re.search(r"expires_at|\[|\{", said)
    path = "/access/answers/changes/"
    assert "CSV and PDF hold all of them" not in web.get(path).content.decode()
    monkeypatch.setattr(answers, "SHOWN", 1)
    page = web.get(path).content.decode()
    assert f"The first 1 of {len(registers.changes(now()))}. CSV and PDF hold all of them." in page
    assert "When, UTC" in page


def test_each_register_names_its_events_up_to_a_moment(log: Log) -> None:
    before, mira = now(), log.world.mira
    log.sequence()
    known = exports.fix(actor=mira, wanted={}, at=now())
    exports.draw(actor=mira, population=known["population"], nonce="spoken-late", count=1, at=now())
    kinds = [one.kind for one in registers.reads(now())]
    assert kinds == ["sample.drawn", "population.fixed"]
    assert registers.reads(before) == []
    assert any("grant" in one.what for one in registers.changes(now()))
    assert {one.kind for one in registers.exceptions(now())} <= {
        "violation",
        "exception",
        registers.ASSERTED,
        registers.QUICK,
        registers.UNREVIEWED,
    }
    assert registers.stops(now()) == []
