"""Populations that an auditor counts again: complete by headers, the same by every way, and within an engagement."""

from __future__ import annotations

import csv
import hashlib
import io
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence import verify
from procedures.evidence.counting import LogDiffers, recount
from procedures.evidence.models import Event, Leaf
from procedures.models import Grant, GrantRight, Person
from procedures.queries import populations
from procedures.queries.populations import population
from procedures.runner.drive import drive
from procedures.services import exports
from tests.evidence.conftest import Log, ended
from tests.fixtures.settled import Settled

LIST = "/api/v1/evidence/populations/"
BACKEND = "procedures.access.backend.PasswordBackend"


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    populations._kept.cache_clear()
    yield
    populations._kept.cache_clear()


@pytest.fixture
def four(db: None, settled: Settled, tmp_path: Path) -> Log:
    log: Log = settled(four_runs, tmp_path)
    log.sequence()
    return log


def four_runs(tmp_path: Path) -> Log:
    """Three runs in development that ended well, one in staging that never began."""
    log = ended(tmp_path)
    quinn = Person.objects.get(username="quinn")
    for _ in range(2):
        drive(log.world.ask(quinn).pk)
    log.world.ask(quinn, environment="staging")
    return log


def engaged(log: Log, *, days: float = 7, **where: Any) -> Person:
    """Somebody from outside, with `audit` in a place until a day."""
    edda = log.world.person("edda")
    log.world.may(edda, "audit", **where)
    ends = now() + timedelta(days=days)
    Grant.objects.filter(person=edda).update(expires_at=ends)
    GrantRight.objects.filter(person=edda).update(ends_at=ends)
    return edda


def client(person: Person) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.force_login(person, backend=BACKEND)
    return made


def test_a_count_is_the_packs_own_population_byte_for_byte(four: Log) -> None:
    for wanted, runs in [
        ({}, 4),
        ({"outcome": "succeeded"}, 3),
        ({"environment": "staging"}, 1),
        ({"risk": "high"}, 0),
    ]:
        data = four.pack(**wanted)
        size = verify.verify(data, four.key)["events"]
        found = recount(wanted, size=size)
        assert (b"".join(found.csv()), found.runs) == (verify.unzip(data)["reports/population.csv"], runs)
        assert sum(found.totals.values()) == runs


def test_the_panels_own_command_gives_the_same_file_again(four: Log) -> None:
    """The command's words become the query that the client sends; later runs change nothing of it."""
    mira = four.world.mira
    panel = population(mira, {"environment": "development", "requester": "quinn"}, at=now()).panel()
    drive(four.world.ask(Person.objects.get(username="quinn")).pk)
    four.sequence()
    words = shlex.split(panel["again"])
    assert words[:3] == ["opsportal", "evidence", "runs"]
    options = {name.removeprefix("--"): value for name, value in zip(words[3:-2:2], words[4:-2:2], strict=True)}
    answer = client(mira).get(LIST, {**options, "as": "csv"})
    assert hashlib.sha256(b"".join(answer)).hexdigest() == panel["sha256"]
    assert population(mira, {"environment": "development"}, at=now()).panel()["rows"] == panel["rows"] + 1


def test_pages_of_a_list_hold_still_while_the_log_grows(four: Log) -> None:
    web = client(four.world.mira)
    first = web.get(LIST).json()
    assert [row["no"] for row in first["results"]] == [1, 2, 3, 4]
    assert first["results"][0]["requester"] == "quinn"
    drive(four.world.ask(Person.objects.get(username="quinn")).pk)
    four.sequence()
    rest = web.get(LIST, {"size": first["panel"]["range"]["end"], "start": 2}).json()
    assert [row["no"] for row in rest["results"]] == [3, 4]
    assert rest["panel"]["sha256"] == first["panel"]["sha256"]


def test_a_header_that_somebody_changed_counts_nothing(four: Log) -> None:
    """The attacker owns the database and moves a run out of the period: the checkpoint says what stood there."""
    leaf = Leaf.objects.filter(event__kind="run.requested").select_related("event").order_by("index").last()
    assert leaf is not None
    rows = [bytes(row) for row in Leaf.objects.order_by("index").values_list("event__header", flat=True)]
    forged = rows[leaf.index].replace(b'"e":"staging"', b'"e":"nowhere"')
    assert forged != rows[leaf.index]
    rows[leaf.index] = forged
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("procedures.evidence.stored.Log.headers", lambda _: iter(rows))
        with pytest.raises(LogDiffers, match="are not the"):
            recount({"environment": "staging"})
        patch.setattr("procedures.evidence.stored.Log.headers", lambda _: iter(rows[:-1]))
        with pytest.raises(LogDiffers):
            recount({})


def test_no_cell_of_the_file_is_a_formula(four: Log) -> None:
    rows = list(csv.reader(io.StringIO(b"".join(recount({}).csv()).decode())))
    assert rows[0] == verify.Population.TITLES
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r" and cell]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"from": "yesterday"}, "/from"),
        ({"to": "2026-01-01T00:00:00"}, "/to"),
        ({"procedure": "nothing"}, "/procedure"),
        ({"environment": "moon"}, "/environment"),
        ({"requester": "nobody"}, "/requester"),
    ],
)
def test_a_bad_filter_names_its_field(four: Log, wanted: dict[str, str], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        population(four.world.mira, wanted, at=now())
    assert [row[0] for row in refusal.value.problems] == [pointer]
    assert client(four.world.mira).get("/evidence/population/", wanted).status_code == 422


def test_an_engagement_sees_its_own_place_and_nothing_beside_it(four: Log) -> None:
    edda = engaged(four, procedure="hello", environments=["development"])
    inside = {"procedure": "hello", "environment": "development"}
    assert population(edda, inside, at=now()).count.runs == 3
    for outside in ({}, {"environment": "development"}, {"procedure": "hello"}, inside | {"environment": "staging"}):
        with pytest.raises(InvalidInput, match="outside what you audit: hello in development"):
            population(edda, outside, at=now())
        with pytest.raises(InvalidInput):
            exports.fix(actor=edda, wanted=outside, at=now())
    known = exports.fix(actor=edda, wanted=inside, at=now())
    assert (
        len(exports.draw(actor=edda, population=known["population"], nonce="spoken-late", count=9, at=now())["runs"])
        == 3
    )
    every = exports.fix(actor=four.world.mira, wanted={}, at=now())["population"]
    with pytest.raises(NotFound):
        exports.draw(actor=edda, population=every, nonce="spoken-late", count=1, at=now())


def test_no_door_shows_an_engagement_more_than_its_place(four: Log) -> None:
    edda = engaged(four, procedure="hello", environments=["development"])
    web, run = client(edda), str(four.run.pk)
    hidden = Event.objects.get(kind="genesis").pk
    seen = Event.objects.filter(run=four.run.pk).first()
    beside = Event.objects.filter(kind="run.requested").order_by("-id").first()
    assert seen is not None
    assert beside is not None
    assert beside.run != four.run.pk
    every = exports.fix(actor=four.world.mira, wanted={}, at=now())["population"]
    for path, status in [
        ("/evidence/population/?environment=development&procedure=hello", 200),
        (f"/runs/{run}/", 200),
        (f"/evidence/{seen.pk}/", 200),
        (f"/api/v1/evidence/events/{seen.pk}/proof/", 200),
        ("/evidence/", 302),
        ("/evidence/population/?environment=staging", 422),
        (f"/evidence/populations/{every}/", 404),
        (f"/evidence/{hidden}/", 404),
        (f"/evidence/{beside.pk}/", 404),
        (f"/runs/{beside.run}/", 404),
        (f"/api/v1/runs/{beside.run}/events/", 404),
        (f"/api/v1/evidence/events/{hidden}/", 404),
        (f"/api/v1/evidence/events/{hidden}/proof/", 404),
        ("/api/v1/evidence/log/", 403),
        ("/api/v1/access/holders/", 403),
        ("/api/v1/access/separation/", 403),
        ("/api/v1/access/drift/", 403),
        ("/access/answers/who/", 403),
        ("/evidence/log/checkpoint", 403),
    ]:
        assert web.get(path).status_code == status, path
    assert web.post("/api/v1/evidence/exports/", {}, content_type="application/json").status_code == 403


def test_everything_of_an_engagement_ends_at_its_date(four: Log) -> None:
    edda = engaged(four, days=2, procedure="hello", environments=["development"])
    inside = {"procedure": "hello", "environment": "development"}
    known = exports.fix(actor=edda, wanted=inside, at=now())["population"]
    later = now() + timedelta(days=2, seconds=1)
    for ask in (
        lambda: population(edda, inside, at=later),
        lambda: populations.all_fixed(edda, at=later),
        lambda: populations.one_fixed(edda, known, at=later),
        lambda: exports.fix(actor=edda, wanted=inside, at=later),
        lambda: exports.draw(actor=edda, population=known, nonce="spoken-late", count=1, at=later),
    ):
        with pytest.raises(NotAllowed):
            ask()
    GrantRight.objects.filter(person=edda).update(ends_at=now())
    web = client(edda)
    for path in ("/evidence/population/", f"/evidence/populations/{known}/", LIST, "/evidence/"):
        assert web.get(path).status_code == 403, path
    assert web.get(f"/runs/{four.run.pk}/").status_code == 404


def test_an_auditor_fixes_draws_and_opens_each_item(four: Log) -> None:
    web = client(four.world.mira)
    gone = web.post("/evidence/population/fix/", {"environment": "development"})
    page = web.get(gone["Location"]).content.decode()
    assert "Nothing drawn yet" in page
    assert web.post(gone["Location"] + "draw/", {"nonce": "spoken-late", "count": "many"}).status_code == 422
    web.post(gone["Location"] + "draw/", {"nonce": "spoken-late", "count": "2"})
    page = web.get(gone["Location"]).content.decode()
    assert page.count('href="/runs/0') == 2
    assert gone["Location"] in web.get("/evidence/population/").content.decode()
