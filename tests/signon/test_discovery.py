"""What an OpenID provider says about itself, from a true server: the object to sign, or a refusal that says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from opsportal.cli.main import main
from procedures.domain import control_shapes, providers
from tests.fixtures.identity_providers import free_port

pytestmark = pytest.mark.once


class Corp:
    """A provider on this machine whose document a test may change."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"
        self.status, self.headers = 200, {}  # type: int, dict[str, str]
        self.document: Any = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/me",
            "scopes_supported": ["openid", "email", "groups", "offline_access"],
            "id_token_signing_alg_values_supported": ["none", "HS256", "ES256", "RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def discover(self, issuer: str = "") -> Any:
        words = ["provider", "discover", "corp", issuer or self.issuer, "--client-id", "opsportal", "--title", "Corp"]
        return CliRunner().invoke(main, words)


@pytest.fixture
def corp() -> Iterator[Corp]:
    port = free_port()
    told = Corp(port)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told.document).encode()
            right = self.path == "/.well-known/openid-configuration"
            self.send_response(told.status if right else 404)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", port), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_printed_object_is_one_that_can_be_proposed_and_gives_nobody_anything(corp: Corp) -> None:
    done = corp.discover()
    assert done.exit_code == 0, done.output
    made = json.loads(done.output)
    control_shapes.check("identity_provider", made)
    assert providers.problems(made) == []
    assert (made["groups"], made["authority"], made["provision"]) == ({}, False, False)
    settings = made["settings"]
    assert settings["algorithms"] == ["RS256", "ES256"], "neither `none` nor a shared secret"
    assert (settings["scopes"], settings["client_auth"]) == (["openid", "email", "groups"], "post")
    assert settings["jwks_uri"] == f"{corp.issuer}/jwks"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"issuer": "https://evil.example.com"}, "calls its issuer 'https://evil.example.com', not"),
        ({"token_endpoint": None}, "names no token_endpoint"),
        ({"jwks_uri": "http://evil.example.com/keys"}, "is not an https address"),
        ({"id_token_signing_alg_values_supported": ["none", "HS256"]}, "signs identity tokens with nothing"),
    ],
    ids=str,
)
def test_a_document_that_is_anothers_or_lacks_something_makes_no_object(
    corp: Corp, changed: dict[str, Any], told: str
) -> None:
    corp.document |= changed
    done = corp.discover()
    assert done.exit_code == 1
    assert told in done.output
    assert "{" not in done.output


def test_neither_a_redirect_nor_an_open_address_nor_nonsense_is_followed(corp: Corp) -> None:
    corp.status, corp.headers = 302, {"Location": f"{corp.issuer}/elsewhere"}
    assert "sends whoever asks elsewhere (302)" in corp.discover().output
    corp.status, corp.document = 200, ["a list"]
    assert "answers with no document" in corp.discover().output
    for issuer in ("http://id.example.com", "https://user:pw@id.example.com", "ftp://x", "corp"):
        done = corp.discover(issuer)
        assert (done.exit_code, "is not an https address" in done.output) == (1, True), issuer
