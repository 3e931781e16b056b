"""A portal whose signed changes name one server of ours, and a stranger's server that nobody named."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from procedures.evidence.models import Event
from tests.factories.portal import World, new_world


@dataclass
class Server:
    """Remembers each request; answers with `status`, `headers` and the pieces of `body`, `pause_s` before each."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: tuple[bytes, ...] = (b'{"keys": []}',)
    pause_s: float = 0.0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def object(self, **settings: Any) -> dict[str, Any]:
        """The identity provider that people sign."""
        places = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        made = {"issuer": self.url, "client_id": "opsportal", **{k: self.url + v for k, v in places.items()}}
        shared = {"groups": {}, "authority": False, "provision": True, "action": "set"}
        return {"name": "corp", "title": "Corp", "protocol": "oidc", "settings": {**made, **settings}, **shared}


def serve(stack: ExitStack) -> Server:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            told.asked.append((self.command, self.path, dict(self.headers.items()), body))
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for piece in told.body:
                    if told.ended.wait(told.pause_s):
                        return
                    self.wfile.write(piece)
            except OSError:
                return

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    stack.callback(server.shutdown)
    stack.callback(told.ended.set)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    return told


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    with ExitStack() as stack:
        yield serve(stack), serve(stack)


@pytest.fixture
def named(servers: tuple[Server, Server]) -> Server:
    """The server that signed changes name."""
    return servers[0]


@pytest.fixture
def stranger(servers: tuple[Server, Server]) -> Server:
    """One that nobody named."""
    return servers[1]


@pytest.fixture
def world(db: None, way_out: str, named: Server) -> World:
    world = new_world()
    world.confirmed("identity_provider", named.object())
    return world


def refusals() -> list[tuple[str, str, int]]:
    """What stands in the evidence: what was asked for, why it was refused, how often."""
    rows = [json.loads(bytes(row.body)) for row in Event.objects.filter(kind="egress.refused").order_by("id")]
    return [(row["asked"], row["why"], row["count"]) for row in rows]
