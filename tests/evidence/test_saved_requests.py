"""What an auditor asks for again: saved by a name, answered with a list that can be counted again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from procedures.domain import periods
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence import verify
from procedures.evidence.models import Disclosure, Event
from procedures.models import Person
from procedures.queries import populations, saved_requests
from procedures.services import saved_requests as services
from procedures.services.saved_requests import RequestDropped
from tests.evidence.conftest import Log
from tests.evidence.test_populations import client, engaged

REQUESTS = "/api/v1/evidence/requests/"
PAGE = "/evidence/requests/"


@pytest.fixture(autouse=True)
def _begun(log: Log) -> Iterator[None]:
    log.sequence()
    populations._kept.cache_clear()
    yield
    populations._kept.cache_clear()


def saved(log: Log, name: str = "PBC-17 changes", period: str = "quarter", **wanted: str) -> str:
    return services.save(actor=log.world.mira, name=name, wanted=wanted, period=period, at=now())


def test_asked_again_it_gives_the_period_that_a_pack_of_the_same_filter_holds(log: Log) -> None:
    going = periods.around("quarter", now()).name
    request = saved(log, environment="development", requester="quinn")
    before, found = services.ask(actor=log.world.mira, request=request, at=now())
    assert found.count.runs == 0, "the run was this quarter's, and the last whole one is asked for"
    after, found = services.ask(actor=log.world.mira, request=request, of=going, at=now())
    assert found.count.runs == 1
    [first, second] = reversed(after.answers)
    assert (first.facts["of"], second.facts["of"]) == (before.periods(now())[0].name, going)
    pack = log.pack(**second.facts["filter"])
    assert hashlib.sha256(verify.unzip(pack)["reports/population.csv"]).hexdigest() == second.facts["sha256"]
    assert second.facts["size"] == found.count.size


def test_every_save_every_answer_and_the_end_are_events_and_the_name_can_be_erased(log: Log) -> None:
    request = saved(log)
    services.ask(actor=log.world.mira, request=request, at=now())
    services.drop(actor=log.world.mira, request=request, at=now())
    kinds = [
        e.kind.rpartition("_")[2] for e in Event.objects.filter(kind__startswith="evidence.request").order_by("id")
    ]
    assert kinds == ["saved", "answered", "dropped"]
    event = Event.objects.get(kind="evidence.request_saved")
    assert b"PBC-17" not in bytes(event.body)
    log.sequence()
    assert b"PBC-17" in log.pack(), "what is committed to is disclosed to whoever may take a pack"
    Disclosure.objects.filter(event=event).update(sealed=None, erased_at=now())
    assert saved_requests.one_saved(log.world.mira, request, at=now()).name == saved_requests.ERASED
    with pytest.raises(RequestDropped):
        services.ask(actor=log.world.mira, request=request, at=now())
    with pytest.raises(RequestDropped):
        services.drop(actor=log.world.mira, request=request, at=now())


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"period": "decade"}, "/period"),
        ({"wanted": {"from": "2026-01-01"}}, "/from"),
        ({"wanted": {"procedure": "nothing"}}, "/procedure"),
        ({"wanted": {"requester": "nobody"}}, "/requester"),
    ],
)
def test_what_cannot_be_asked_again_names_its_field(log: Log, said: dict[str, Any], pointer: str) -> None:
    asked: dict[str, Any] = {"name": "PBC", "wanted": {}, "period": "month"} | said
    with pytest.raises(InvalidInput) as refusal:
        services.save(actor=log.world.mira, **asked, at=now())
    assert [row[0] for row in refusal.value.problems] == [pointer]
    assert not Event.objects.filter(kind="evidence.request_saved").exists()


@pytest.mark.parametrize("of", ["2026", "2026-09", "2026-Q5", "9999-Q1", "soon", "1969-Q1"])
def test_a_period_that_is_none_or_has_not_begun_is_refused(log: Log, of: str) -> None:
    request = saved(log)
    with pytest.raises(InvalidInput):
        services.ask(actor=log.world.mira, request=request, of=of, at=now())
    assert not Event.objects.filter(kind="evidence.request_answered").exists()


@pytest.mark.parametrize(
    ("length", "day", "name", "last"),
    [
        ("month", datetime(2026, 2, 28, 23, 59, tzinfo=UTC), "2026-02", "2026-01"),
        ("quarter", datetime(2026, 1, 1, tzinfo=UTC), "2026-Q1", "2025-Q4"),
        ("year", datetime(2026, 12, 31, tzinfo=UTC), "2026", "2025"),
    ],
)
def test_periods_are_whole_and_leave_no_instant_between_them(length: str, day: datetime, name: str, last: str) -> None:
    going = periods.around(length, day)
    ended = periods.before(going, length)
    assert (going.name, ended.name) == (name, last)
    assert (going.first - ended.last).total_seconds() == pytest.approx(1e-6)
    assert periods.named(length, name) == going


def test_only_auditors_and_an_engagement_only_for_its_place(log: Log) -> None:
    quinn = Person.objects.get(username="quinn")
    request, whole = saved(log, procedure="hello", environment="development"), saved(log)
    for act in (
        lambda who: services.save(actor=who, name="x", wanted={}, period="", at=now()),
        lambda who: services.ask(actor=who, request=request, at=now()),
        lambda who: services.drop(actor=who, request=request, at=now()),
        lambda who: saved_requests.all_saved(who, at=now()),
    ):
        with pytest.raises(NotAllowed):
            act(quinn)
    edda = engaged(log, procedure="hello", environments=["development"])
    assert [one.id for one in saved_requests.all_saved(edda, at=now())] == [request]
    services.ask(actor=edda, request=request, at=now())
    with pytest.raises(NotFound):
        services.ask(actor=edda, request=whole, at=now())
    with pytest.raises(InvalidInput, match="outside what you audit"):
        services.save(actor=edda, name="x", wanted={"environment": "staging"}, period="", at=now())
    assert client(quinn).get(PAGE).status_code == client(quinn).get(REQUESTS).status_code == 403
    assert client(edda).get(f"{PAGE}{whole}/").status_code == 404


def test_on_the_pages_one_click_asks_for_the_next_period(log: Log) -> None:
    web = client(log.world.mira)
    gone = web.post(PAGE + "save/", {"name": "PBC-17 changes", "environment": "development", "period": "quarter"})
    going = periods.around("quarter", now()).name
    assert f'value="{going}"' in web.get(gone["Location"]).content.decode()
    web.post(gone["Location"] + "ask/", {"of": going})
    page = web.get(gone["Location"]).content.decode()
    listed = page.partition('href="/evidence/population/?')[2].partition('"')[0].replace("&amp;", "&")
    assert "#1" in web.get("/evidence/population/?" + listed).content.decode()
    assert "PBC-17 changes" in web.get(PAGE).content.decode()
    assert web.post(gone["Location"] + "drop/").status_code == 302
    assert "It is asked no more" in web.get(gone["Location"]).content.decode()
