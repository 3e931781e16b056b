"""Alarms against a small real server that answers as Prometheus does: the ramp stops, and what was done is undone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Environment, Person, Run
from procedures.services import versions
from tests.engine.test_runs import PROCEDURE, steps
from tests.engine.test_stopping import Script, cancel, ended, row, script
from tests.engine.test_strategies import town
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

__all__ = ["script"]
ONE = row("one", ", each: '${{ targets }}'")


@dataclass
class Monitor:
    """What the server answers, and what it was asked: `value` None gives no sample, `status` is of its health page."""

    url: str = ""
    value: str | None = "0.01"
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def turns(self, **fields: Any) -> Callable[[], None]:
        """From now on it answers so; goes on once it was asked again, and the answer was heard."""

        def act() -> None:
            for name, value in fields.items():
                setattr(self, name, value)
            seen, until = len(self.asked), time.monotonic() + 8
            while len(self.asked) < seen + 1 and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(0.2)

        return act


@pytest.fixture
def world(fresh_database: FreshDatabase) -> World:
    """What is undone on several targets at once is written from a thread each, and needs what is committed."""
    return new_world()


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            made.asked.append(parse_qs(place.query).get("query", [place.path])[0])
            sample = [] if made.value is None else [{"metric": {}, "value": [1.0, made.value]}]
            answer = {"status": "success", "data": {"resultType": "vector", "result": sample}}
            body = json.dumps(answer).encode() if place.path == "/api/v1/query" else b"fine"
            self.send_response(200 if place.path == "/api/v1/query" else made.status)
            self.send_header("content-type", "application/json" if place.path == "/api/v1/query" else "text/plain")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def begun(world: World, alarm: str, more: str = "", tail: str = "") -> tuple[Person, Run]:
    """A run over three targets, one a batch, with this alarm; it may reach this machine."""
    Environment.objects.filter(pk="development").update(networks=["127.0.0.0/8"])
    town(world, "web-1", "web-2", "web-3")
    strategy = f"{{mode: sequential, alarms: [{alarm}]{more}}}"
    text = PROCEDURE.format(name="ramp", steps=steps(ONE), timeout="1m")
    text += f"  targets: {{filter: role=web, strategy: {strategy}}}\n{tail}"
    adam, quinn = world.person("adam"), world.person("quinn")
    world.may(adam, "author")
    files = {"procedure.yaml": text.encode(), "README.md": b"x"}
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    assert (version.risk, version.risk_reasons) == ("moderate", ["its alarms ask over the network"])
    world.review(world.mira, version, "operations", "security", signed=True)
    world.may(quinn, "run", procedure="ramp")
    return quinn, world.ask(quinn, procedure="ramp", parameters={"word": "shop"})


def prometheus(monitor: Monitor, more: str = "") -> str:
    query = 'errors{service="${{ parameters.word }}"}'
    return f"{{prometheus: {{url: '{monitor.url}', query: '{query}', when: '> 0.05'}}, every: 1s{more}}}"


def touched(run: Run, step: str = "one") -> list[str]:
    return sorted(run.tasks.filter(step=step, state="succeeded").values_list("target", flat=True))


UNDO = "  rollback:\n" + steps(row("undo", ", each: '${{ targets }}'")) + "\n"


def test_while_the_alarm_is_good_every_batch_runs_and_the_plan_names_what_is_asked(
    world: World, script: Script, monitor: Monitor
) -> None:
    _, run = begun(world, prometheus(monitor))
    assert ended(run) == "succeeded", run.message
    assert touched(run) == ["web-1", "web-2", "web-3"]
    assert set(monitor.asked) == {'errors{service="shop"}'}
    plan = parse(bytes(run.plan))["strategy"]
    assert plan["on_alarm"] == "stop"
    assert [(one["url"], one["query"], one["when"]) for one in plan["alarms"]] == [
        (monitor.url, 'errors{service="shop"}', "> 0.05")
    ]


def test_bad_before_the_first_batch_nothing_begins(world: World, script: Script, monitor: Monitor) -> None:
    monitor.value = "0.5"
    _, run = begun(world, prometheus(monitor))
    assert (ended(run), script.executed) == ("failed", [])
    assert run.message == 'The alarm errors{service="shop"} > 0.05 is bad: 0.5. No step ran.'
    event = Event.objects.get(run=run.pk, kind="run.alarmed")
    assert (event.facts if hasattr(event, "facts") else parse(bytes(event.body)))["value"] == "0.5"


@pytest.mark.parametrize(("more", "undone"), [("", []), (", onAlarm: rollback", ["web-1"])], ids=["stop", "rollback"])
def test_turned_bad_while_a_batch_runs_no_further_one_begins(
    world: World, script: Script, monitor: Monitor, more: str, undone: list[str]
) -> None:
    script.at, script.during = "one", monitor.turns(value="0.5")
    tail = UNDO + "  always:\n" + steps(row("w", ", each: '${{ targets }}'")) + "\n"
    _, run = begun(world, prometheus(monitor), more, tail)
    assert ended(run) == "failed"
    assert (touched(run), touched(run, "undo"), touched(run, "w")) == (["web-1"], undone, ["web-1"])
    assert run.message == 'The alarm errors{service="shop"} > 0.05 is bad: 0.5. Nothing more began.'


def test_in_a_later_batch_every_target_that_was_touched_is_undone(
    world: World, script: Script, monitor: Monitor
) -> None:
    flip = monitor.turns(value="0.5")
    script.at, script.during = "one", lambda: flip() if len(script.executed) == 2 else None
    _, run = begun(world, prometheus(monitor), ", onAlarm: rollback", UNDO)
    assert ended(run) == "failed"
    assert (touched(run), touched(run, "undo")) == (["web-1", "web-2"], ["web-1", "web-2"])


def test_bad_for_less_than_it_must_be_stops_nothing(world: World, script: Script, monitor: Monitor) -> None:
    script.at = "one"
    script.during = once(lambda: (monitor.turns(value="0.5")(), monitor.turns(value="0.01")()))
    _, run = begun(world, prometheus(monitor, ", for: 5m"))
    assert (ended(run), touched(run)) == ("succeeded", ["web-1", "web-2", "web-3"])


def once(act: Callable[[], object]) -> Callable[[], None]:
    left = [act]
    return lambda: void(left.pop()()) if left else None


def void(_: object) -> None:
    return


@pytest.mark.parametrize("value", [None, "NaN"], ids=["no-sample", "not-a-number"])
def test_what_cannot_be_judged_is_not_good(world: World, script: Script, monitor: Monitor, value: str | None) -> None:
    monitor.value = value
    _, run = begun(world, prometheus(monitor))
    assert (ended(run), script.executed) == ("failed", [])
    assert ("could not be asked 3 times" in run.message) == (value is None), run.message


def test_an_alarm_that_nobody_can_ask_counts_as_bad_after_three_tries(
    world: World, script: Script, monitor: Monitor
) -> None:
    _, run = begun(world, "{http: {url: 'http://127.0.0.1:1/'}, every: 1s}")
    assert (ended(run), script.executed) == ("failed", [])
    assert run.message.startswith("The alarm http://127.0.0.1:1/ could not be asked 3 times: ")


def test_an_address_that_the_environment_does_not_list_is_not_asked(
    world: World, script: Script, monitor: Monitor
) -> None:
    _, run = begun(world, "{http: {url: 'http://169.254.169.254/latest/meta-data/'}, every: 1s}")
    assert (ended(run), script.executed) == ("failed", [])
    assert "169.254.169.254" in run.message


def test_an_http_check_that_fails_stops_the_ramp(world: World, script: Script, monitor: Monitor) -> None:
    script.at, script.during = "one", monitor.turns(status=503)
    _, run = begun(world, f"{{http: {{url: '{monitor.url}/healthz', expect: {{status: 200}}}}, every: 1s}}")
    assert (ended(run), touched(run)) == ("failed", ["web-1"])
    assert "It answered 503" in run.message


def test_a_cancel_is_a_cancel_also_while_an_alarm_is_waited_for(world: World, script: Script, monitor: Monitor) -> None:
    monitor.value = "0.5"
    quinn, run = begun(world, prometheus(monitor, ", for: 10m"))
    script.at, script.during = "start", cancel(quinn, run)
    assert (ended(run), script.executed) == ("canceled", [])
