"""A browser carries a program's request through consent and second factor to the program, as its policies allow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from procedures.domain.clock import now
from procedures.models import AgentClient, Connection, Person
from procedures.services import codes
from tests.browser.conftest import Portal
from tests.factories.agents import agent_object
from tests.factories.connections import Program
from tests.web.test_proofs import code_of


@contextmanager
def waiting() -> Iterator[tuple[str, list[str]]]:
    """A program that listens on this computer: its address, and what browsers asked it for."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>Connected</title>")

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/callback", heard
    finally:
        server.shutdown()
        server.server_close()


def test_a_browser_goes_by_consent_and_second_factor_to_the_program(portal: Portal) -> None:
    mira = portal.town.people["mira"]
    portal.town.change("aisha", "agent", {**agent_object(mira, "triage-bot"), "name": "Triage bot"})
    secret = codes._begin(actor=mira, at=now())
    codes.enrol(actor=mira, code=code_of(secret, -1), at=now())
    page = portal.page("mira")
    with waiting() as (address, heard):
        registered = address.replace(f":{urlsplit(address).port}", "")
        row = AgentClient.objects.create(name="Desk app", redirects=[registered], registered_at=now())
        program = Program(client=str(row.pk), redirect=address)
        page.goto(portal.url + program.asks(resource=f"{portal.url}/mcp/"))
        page.click("button[value=connect]")
        page.fill("#totp", code_of(secret))
        page.click("button.primary")
        page.wait_for_url(f"{address}?*")
        assert page.title() == "Connected"
    said = parse_qs(urlsplit(next(path for path in heard if path.startswith("/callback"))).query)
    assert (said["state"], said["iss"], len(said["code"][0]) > 40) == (["s t&ate"], [portal.url], True)
    assert Connection.objects.get().agent == Person.objects.get(username="triage-bot")
