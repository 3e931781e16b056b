"""Choices from a URL: fetched by the runner alone, from hosts that policy names, and never a limit (H30)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from procedures.models import Environment, OptionList
from procedures.runner.option_fetching import fetch
from tests.factories.portal import World
from tests.services.test_options import Listed, Person, Version, accepted, ask, asker, look, using

pytestmark = pytest.mark.ordinary


@pytest.fixture
def source() -> Iterator[tuple[str, dict[str, tuple[int, bytes]]]]:
    answers: dict[str, tuple[int, bytes]] = {
        "/l": (200, json.dumps({"items": ["a", {"value": "b", "title": "B"}]}).encode())
    }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, data = answers.get(self.path.partition("?")[0], (404, b""))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            if status == 302:
                self.send_header("location", "/l")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def from_url(
    world: World, url: str, settings: Any, *, networks: bool = True, hosts: str = "127.0.0.1"
) -> tuple[Any, Any]:
    settings.OPSPORTAL_OPTION_HOSTS = [hosts]
    Environment.objects.filter(pk="development").update(networks=["127.0.0.0/8"] if networks else [])
    return accepted(world, "using", using(f"{{from: url, url: '{url}', path: items}}")), asker(world, listing=False)


def fetched(version: Version, who: Person, **parameters: Any) -> Listed:
    first = ask(version, who, **parameters)
    if first.state == "asking":
        fetch(OptionList.objects.get().id)
    return look(version, who, **parameters)


def test_a_url_gives_suggestions_and_no_limit(world: World, source: Any, settings: Any) -> None:
    version, quinn = from_url(world, source[0] + "/l?t=${{ parameters.team }}", settings)
    listed = fetched(version, quinn, team="x&y=../z")
    assert listed.choices is not None, listed.said
    assert (listed.choices.values, listed.choices.titles) == (["a", "b"], ["a", "B"])
    assert world.ask(quinn, procedure="using", parameters={"database": "something else"}).state == "queued"


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/nothing", (200, b"[]"), "answered 404"),
        ("/l", (200, b"<html>"), "no JSON|no choices|gave no list"),
        ("/l", (200, b'{"items": 7}'), "gave no list"),
        ("/l", (200, b'{"items": [{"x": {}}]}'), "no short text"),
        ("/l", (302, b""), "answered 302"),
    ],
)
def test_a_source_that_answers_something_else_is_told_in_words(
    world: World, source: Any, settings: Any, path: str, answer: Any, said: str
) -> None:
    import re

    source[1]["/l"] = answer
    version, quinn = from_url(world, source[0] + path, settings)
    listed = fetched(version, quinn)
    assert listed.state == "failed"
    assert re.search(said, listed.said), listed.said


def test_a_source_that_is_down_is_told_in_words(world: World, settings: Any) -> None:
    version, quinn = from_url(world, "http://127.0.0.1:9/l", settings)
    assert "127.0.0.1 gave no choices" in fetched(version, quinn).said


def test_a_host_that_policy_does_not_name_is_never_asked(world: World, source: Any, settings: Any) -> None:
    version, quinn = from_url(world, source[0] + "/l", settings, hosts="example.com")
    assert "OPSPORTAL_OPTION_HOSTS" in ask(version, quinn).said
    assert not OptionList.objects.exists()


def test_the_runner_asks_policy_again(world: World, source: Any, settings: Any) -> None:
    version, quinn = from_url(world, source[0] + "/l", settings)
    ask(version, quinn)
    settings.OPSPORTAL_OPTION_HOSTS = []
    fetch(OptionList.objects.get().id)
    assert OptionList.objects.get().state == "failed"


def test_an_address_that_the_environment_does_not_list_is_never_reached(
    world: World, source: Any, settings: Any
) -> None:
    version, quinn = from_url(world, source[0] + "/l", settings, networks=False)
    assert "private address" in fetched(version, quinn).said
