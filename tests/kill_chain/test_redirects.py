"""A server that a credential is for answers: go elsewhere. Nothing goes there, least of all what was lent (H39)."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from opsportal.cli import portal
from procedures.domain.errors import OpsError
from procedures.domain.providers import ProviderUnreachable
from procedures.git.call import GitFailed, git
from procedures.signon import outbound
from tests.house import tree

pytestmark = [pytest.mark.ordinary, pytest.mark.timeout(60)]
LENT = "lent-credential-71c0"


@dataclass
class Trap:
    """`here` sends everybody on to `there`, which remembers each caller."""

    here: str = ""
    there: str = ""
    asked: list[str] = field(default_factory=list)
    met: list[str] = field(default_factory=list)


@pytest.fixture(params=[301, 302, 303, 307, 308])
def trap(request: pytest.FixtureRequest) -> Iterator[Trap]:
    told = Trap()

    class Sends(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            self.send_response(request.param)
            self.send_header("Location", told.there + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Silent."""

    class Waits(Sends):
        def do_GET(self) -> None:
            told.met.append(f"{self.path} {self.headers}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            self.do_GET()

    with ExitStack() as stack:
        told.here, told.there = (_serve(stack, kind) for kind in (Sends, Waits))
        yield told


def _serve(stack: ExitStack, kind: type[BaseHTTPRequestHandler]) -> str:
    server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), kind))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    stack.callback(server.shutdown)
    return f"http://localhost:{server.server_address[1]}"


def _sign_on(trap: Trap, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    with suppress(ProviderUnreachable):
        outbound.get(f"{trap.here}/jwks", {"Authorization": f"Bearer {LENT}"})
    with suppress(ProviderUnreachable):
        outbound.post(f"{trap.here}/token", {"client_secret": LENT})


def _source(trap: Trap, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    hidden = [("http.extraHeader", f"Authorization: Basic {LENT}")]
    with suppress(GitFailed):
        plain = [("protocol.http.allow", "always")]
        git(tmp_path, ["ls-remote", f"{trap.here}/x.git"], more=plain, hidden=hidden, protocols="http")


def _command_line(trap: Trap, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("OPSPORTAL_URL", trap.here)
    patch.setenv("OPSPORTAL_TOKEN", LENT)
    with suppress(OpsError, SystemExit, httpx.HTTPError, ValueError), portal.client() as http:
        http.get("/api/v1/me/")


ASK: dict[str, Callable[[Trap, Path, pytest.MonkeyPatch], None]] = {
    "sign-on": _sign_on,
    "a git source": _source,
    "the command line": _command_line,
}


@pytest.mark.parametrize("who", ASK)
def test_whoever_is_sent_elsewhere_does_not_go(
    trap: Trap, who: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ASK[who](trap, tmp_path, monkeypatch)
    assert trap.asked, "it did ask where it was told to"
    assert not trap.met


def test_the_trap_catches_a_client_that_follows(trap: Trap) -> None:
    """Else nothing above would prove anything."""
    httpx.get(f"{trap.here}/x", follow_redirects=True)
    assert trap.met


def test_no_client_of_ours_is_told_to_follow_and_none_of_a_kind_that_does_by_itself() -> None:
    """httpx and httpcore follow nothing unless told; urllib and requests do."""
    for path in tree.python_files("procedures", "opsportal"):
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.keyword) and node.arg in {"follow_redirects", "allow_redirects"}:
                assert isinstance(node.value, ast.Constant), tree.short(path)
                assert node.value.value is False, tree.short(path)
        follows = {module for module, _ in tree.imports(path)} & {"urllib.request", "requests", "aiohttp", "urllib3"}
        assert not follows, tree.short(path)
