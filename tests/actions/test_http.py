"""`http:request` against a real server on this machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from procedures.actions import http
from procedures.domain.ports import ActionResult
from procedures.domain.secrets import Secret
from tests.actions.calls import Collected, call

HERE = ("127.0.0.0/8",)


@dataclass
class Seen:
    """What the server was sent: (method, path, headers, body)."""

    port: int
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


class Answers(BaseHTTPRequestHandler):
    def answer(self) -> None:
        seen: Seen = self.server.seen  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        seen.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if self.path == "/slow":
            time.sleep(5)
        status, kind, data = ANSWERS.get(self.path, (200, "text/plain", b"fine"))
        self.send_response(status)
        self.send_header("content-type", kind)
        if status == 302:
            self.send_header("location", seen.url("/elsewhere"))
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *_: Any) -> None:
        return


ANSWERS = {
    "/json": (200, "application/json; charset=utf-8", b'{"up": true, "n": 3}'),
    "/broken": (503, "text/plain", b"down for now"),
    "/moved": (302, "text/plain", b""),
    "/huge": (200, "text/plain", b"x" * (2 * 1024 * 1024)),
    "/lies": (200, "application/json", b"{not json"),
}


@pytest.fixture
def server() -> Iterator[Seen]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    seen = running.seen = Seen(running.server_address[1])  # type: ignore[attr-defined]
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield seen
    running.shutdown()
    running.server_close()


def send(io: Collected | None = None, **changes: Any) -> ActionResult:
    changes = {"networks": HERE, **changes}
    return http.HttpRequest().run(call(**changes), io or Collected())


def test_an_answer_becomes_output(server: Seen) -> None:
    result = send(input={"url": server.url("/json")})
    assert (result.outcome, result.output["status"], result.output["json"]) == ("succeeded", 200, {"up": True, "n": 3})


def test_an_unexpected_status_fails_and_shows_the_body(server: Seen) -> None:
    io = Collected()
    result = send(io, input={"url": server.url("/broken")})
    assert (result.outcome, result.message) == ("failed", "It answered 503; expected was 2xx.")
    assert b"down for now" in io.out["stderr"]
    assert send(input={"url": server.url("/broken"), "expect": {"status": [503]}}).outcome == "succeeded"


def test_a_text_that_is_missing_fails(server: Seen) -> None:
    assert send(input={"url": server.url("/json"), "expect": {"contains": '"up": true'}}).outcome == "succeeded"
    assert send(input={"url": server.url("/json"), "expect": {"contains": "ready"}}).outcome == "failed"


def test_json_and_a_secret_reach_the_server_and_stay_out_of_the_plan(server: Seen) -> None:
    asked = call(
        input={"url": server.url("/in"), "method": "POST", "json": {"a": [1, "ü"]}, "auth": {"env": "TOKEN"}},
        secret_env={"TOKEN": Secret("s3cret-token")},
        networks=HERE,
    )
    action = http.HttpRequest()
    assert "s3cret-token" not in json.dumps(action.plan(asked))
    assert action.run(asked, Collected()).outcome == "succeeded"
    method, _, headers, body = server.requests[0]
    assert (method, json.loads(body), headers["authorization"]) == ("POST", {"a": [1, "ü"]}, "Bearer s3cret-token")


def test_a_redirect_is_an_answer_and_is_not_followed(server: Seen) -> None:
    result = send(input={"url": server.url("/moved"), "expect": {"status": 302}})
    assert result.outcome == "succeeded"
    assert result.output["headers"]["location"].endswith("/elsewhere")
    assert [path for _, path, _, _ in server.requests] == ["/moved"]


def test_a_private_address_is_refused_before_anything_is_sent(server: Seen) -> None:
    for host in ("127.0.0.1", "localhost"):
        result = send(input={"url": server.url("/json", host)}, networks=())
        assert (result.outcome, result.facts) == ("failed", {"refused": "http.address-refused"})
    assert not server.requests


def test_a_name_that_resolves_to_metadata_is_refused_even_if_all_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is resolved for real by the system; here the system is told what the attacker's server would say."""
    row = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [row])
    result = send(input={"url": "http://rebind.example/latest/meta-data/"}, networks=("0.0.0.0/0",))
    assert "169.254.169.254" in result.message
    assert result.outcome == "failed"


def test_a_header_cannot_end_its_line(server: Seen) -> None:
    result = send(input={"url": server.url("/in"), "headers": {"X-A": "a\r\nX-Evil: b"}})
    assert result.outcome == "failed"
    assert not server.requests


def test_a_huge_answer_is_cut_and_said_to_be(server: Seen) -> None:
    result = send(input={"url": server.url("/huge")})
    assert result.output["truncated"] is True
    assert len(result.output["text"]) == http.MAX_BODY


def test_json_that_is_none_is_text(server: Seen) -> None:
    assert send(input={"url": server.url("/lies")}).output["text"] == "{not json"


def test_a_slow_answer_ends_with_the_step(server: Seen) -> None:
    began = time.monotonic()
    result = send(input={"url": server.url("/slow")}, seconds_left=0.5)
    assert result.outcome in {"timed_out", "failed"}
    assert time.monotonic() - began < 3


def test_cancel_ends_it_within_a_second(server: Seen) -> None:
    io = Collected()
    threading.Timer(0.3, io.cancelled.set).start()
    began = time.monotonic()
    assert send(io, input={"url": server.url("/slow")}).outcome == "canceled"
    assert time.monotonic() - began < 1.5


def test_nobody_listening_is_a_failed_task_with_words() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = send(input={"url": f"http://127.0.0.1:{port}/"})
    assert result.outcome == "failed"
    assert "refused" in result.message.lower()


@pytest.mark.parametrize(
    ("input", "pointer"),
    [
        ({"url": "${{ parameters.url }}"}, "/url"),
        ({"url": "https://${{ steps.a.output.host }}/"}, "/url"),
        ({"url": "https://x/", "json": {}, "body": "x"}, "/body"),
        ({"url": "https://x/", "auth": {"env": "TOKEN"}}, "/auth/env"),
    ],
)
def test_lint_refuses_what_could_not_be_reviewed(input: dict[str, Any], pointer: str) -> None:
    assert [where for where, _ in http.HttpRequest().check(input, {})] == [pointer]
