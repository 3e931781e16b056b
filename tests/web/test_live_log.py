"""A run's output over server-sent events: from where the browser left off, for those who may read it, until it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from procedures.models import LogChunk, Person, Run
from procedures.runner.drive import drive
from procedures.web.views import log
from tests.web.town import BACKEND, Town

pytestmark = pytest.mark.once


def ended_run(town: Town) -> Run:
    town.accept("hello")
    run = town.ask()
    drive(run.id)
    last = LogChunk.objects.filter(run=run).order_by("-seq").first()
    after = last.seq if last else 0
    LogChunk.objects.bulk_create(
        LogChunk(run=run, seq=after + n, step="greet", stream="stdout", at=run.requested_at, text=f"line {n}\n")
        for n in (1, 2, 3)
    )
    run.refresh_from_db()
    return run


def listen(person: Person, run: Run, **headers: str) -> tuple[int, list[dict[str, Any]]]:
    """(status, events) of one whole connection."""

    async def read() -> tuple[int, str]:
        client = AsyncClient(HTTP_HOST="localhost")
        await client.aforce_login(person, backend=BACKEND)
        answer = await client.get(f"/runs/{run.id}/log/events", headers=headers)
        if not answer.streaming:
            return answer.status_code, ""
        return answer.status_code, "".join([part.decode() async for part in answer.streaming_content])

    status, text = async_to_sync(read)()
    events = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append({"id": fields.get("id"), "event": fields["event"], "data": json.loads(fields["data"])})
    return status, events


def words(events: list[dict[str, Any]]) -> list[str]:
    lines = [line for event in events if event["event"] == "log" for line in event["data"]["lines"]]
    return ["".join(text for _, text in line["parts"]) for line in lines]


def test_output_comes_whole_and_the_stream_ends_with_the_run(town: Town) -> None:
    run = ended_run(town)
    status, events = listen(town.people["mira"], run)
    assert status == 200
    assert words(events)[-3:] == ["line 1", "line 2", "line 3"]
    assert events[-1]["event"] == "end"


def test_a_browser_that_comes_back_gets_only_what_it_has_not_seen(town: Town) -> None:
    run = ended_run(town)
    last = LogChunk.objects.get(run=run, text="line 1\n").seq
    _, events = listen(town.people["mira"], run, **{"Last-Event-ID": str(last)})
    assert words(events) == ["line 2", "line 3"]
    assert [event["id"] for event in events if event["event"] == "log"] == [str(last + 2)]


def test_a_stranger_gets_not_found_and_no_line(town: Town) -> None:
    run = ended_run(town)
    assert listen(town.people["stranger"], run) == (404, [])


def test_whoever_may_see_a_run_but_not_read_output_gets_no_line(town: Town) -> None:
    town.accept("hello")
    run = town.ask("mira")
    viewer = town.move_in("vera", "Vera View", ["view"])
    drive(run.id)
    _, events = listen(viewer, run)
    assert words(events) == []
    assert events[-1]["event"] == "end"


def test_a_stream_ends_when_the_right_to_read_does(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(log, "EVERY_S", 0.01)
    town.accept("hello")
    run = town.ask()
    watch = log.Watch(town.people["mira"].pk, run.id, "", "", 0, None)

    async def first_then_rest() -> list[str]:
        stream = log._stream(watch)
        heard = [await anext(stream), await anext(stream)]
        await Person.objects.filter(pk=town.people["mira"].pk).aupdate(is_active=False)
        return heard + [part async for part in stream]

    heard = async_to_sync(first_then_rest)()
    assert heard[-1].startswith("event: end")
    assert "no longer" in heard[-1]


def test_an_anonymous_listener_is_refused(town: Town) -> None:
    run = ended_run(town)

    async def status() -> int:
        return (await AsyncClient(HTTP_HOST="localhost").get(f"/runs/{run.id}/log/events")).status_code

    assert async_to_sync(status)() == 403
