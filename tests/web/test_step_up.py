"""A page that asks for a second factor brings the person back to what they were doing, with nothing typed lost."""

from __future__ import annotations

import base64
import re
from contextvars import copy_context
from datetime import timedelta
from html import unescape
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest
from django.test import Client

from procedures.domain.clock import now
from procedures.models import OpenSession, Procedure, Run, Version
from procedures.services import step_up, versions
from procedures.services.kept_sessions import SessionStore, at_rest
from procedures.web import kept as waiting
from tests.web.test_forms import PAGES
from tests.web.test_proofs import code_of, set_up
from tests.web.town import Town

pytestmark = pytest.mark.once

REASON = 'CHG-7 "quotes" <b>\nand a second line'
TYPED = {"environment": "staging", "reason": REASON, "p.name": "Zoë & Co"}
STRICT: dict[str, Any] = {"name": "development", "title": "D", "position": 1, "production": False, "drafts": True}
STRICT |= {"approvals": {}, "min_strength": "totp", "approval_expiry_s": 3600, "reason_required": False}
SECRET = "hunter22 — never on a page"


@pytest.fixture
def client(town: Town) -> Client:
    town.accept("hello")
    Version.objects.filter(procedure__name="hello").update(risk="high")
    return town.client("mira")


def hidden(html: str) -> dict[str, str]:
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden"\s+name="([^"]+)"\s+value="([^"]*)"', html)
    }


def asked(client: Client, typed: dict[str, Any] | None = None, path: str = "/procedures/hello/") -> dict[str, str]:
    """The fields of the page that asks for the second factor."""
    page = client.post(path, typed or TYPED)
    html = page.content.decode()
    assert (page.status_code, "Is it you?" in html) == (403, True), html
    assert "waits sealed for 15 minutes" in html
    found = hidden(html)
    assert set(found) <= {"csrfmiddlewaretoken", "next", "step_up", "statement"}, "nothing typed stands in the page"
    return found


def stored(client: Client) -> str:
    return str(Session.objects.get(session_key=at_rest(client.cookies["sessionid"].value)).get_decoded())


def test_what_was_typed_goes_on_once_a_code_proved_the_person(town: Town, client: Client) -> None:
    secret = set_up(client)
    ask = asked(client)
    wrong = client.post("/procedures/hello/", ask | {"totp": "000000"})
    assert (wrong.status_code, "not the code of now" in wrong.content.decode()) == (403, True)
    again = hidden(wrong.content.decode())
    assert again["step_up"] == ask["step_up"]
    before = client.cookies["sessionid"].value
    done = client.post("/procedures/hello/", again | {"totp": code_of(secret)})
    assert done.status_code == 302, done.content.decode()
    run = Run.objects.get()
    assert (run.reason, run.parameters["name"]) == (TYPED["reason"], TYPED["p.name"])
    assert client.cookies["sessionid"].value != before
    assert client.cookies[waiting.COOKIE].value == ""
    assert waiting.PLACE not in client.session
    assert OpenSession.objects.get(person=town.people["mira"]).proved == "totp"
    assert client.post("/procedures/hello/", TYPED).status_code == 302, "good for fifteen minutes"


def test_a_secret_and_a_file_wait_sealed_and_go_on(town: Town) -> None:
    files = {"procedure.yaml": PAGES.replace("    - title: Why", "    - title: Why?").encode(), "README.md": b"x"}
    versions.submit_version(actor=town.people["mira"], files=files, note="", at=now())
    town.accept("walk")
    Version.objects.filter(procedure__name="walk").update(risk="high")
    client = town.client("mira")
    secret = set_up(client)
    town.change("jonas", "environment", STRICT)
    form = {"environment": "development", "reason": "x", "at": "3", "seen": "0,1,2", "p.service": "checkout"}
    form |= {"p.size": '"s"', "p.net.port": "22", "p.ticket": "T-1", "s.token": SECRET}
    sent = SimpleUploadedFile("id key.pub", b"ssh-ed25519 AAAA")
    ask = asked(client, {**form, "p.key.upload": sent}, "/procedures/walk/")
    encoded = base64.b64encode(b"ssh-ed25519 AAAA").decode()
    row = stored(client)
    assert not [text for text in (SECRET, "hunter22", "checkout", encoded) if text in row], "sealed in the session"
    cookie = client.cookies[waiting.COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Strict", 900)
    assert cookie.value not in row
    done = client.post("/procedures/walk/", ask | {"totp": code_of(secret)})
    assert done.status_code == 302, re.sub(r"<[^>]*>|\s+", " ", done.content.decode())[-1500:]
    run = Run.objects.get()
    assert run.parameters["key"].endswith(encoded)
    assert list(run.sealed_secrets) == ["token"]
    assert waiting.PLACE not in client.session


def test_a_signature_counts_once_for_the_page_that_asked(town: Town, client: Client) -> None:
    kept: dict[str, Any] = asked(client)
    given = town.sign("mira", base64.b64decode(kept["statement"]))
    proof = {"statement": given["statement"], "signature": given["signature"]}
    other = town.client("mira")
    other.get("/")
    assert other.post("/procedures/hello/", kept | proof).status_code == 409, "another session of hers"
    assert client.post("/procedures/hello/", kept | proof).status_code == 302
    OpenSession.objects.update(proved="session", proved_at=None)
    replayed = client.post("/procedures/hello/", kept | proof)
    assert (replayed.status_code, "waits no more" in replayed.content.decode()) == (409, True)
    assert Run.objects.count() == 1


def test_of_one_form_sent_twice_at_once_one_goes_on(
    town: Town, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = asked(client)
    given = town.sign("mira", base64.b64decode(kept["statement"]))
    sent = kept | {"statement": given["statement"], "signature": given["signature"]}
    second: list[int] = []
    twin, real = Client(HTTP_HOST="localhost"), step_up.step_up
    twin.cookies = SimpleCookie({name: morsel.value for name, morsel in client.cookies.items()})

    def at_once(**more: Any) -> Any:
        if not second:
            second.append(0)
            second[0] = copy_context().run(twin.post, "/procedures/hello/", sent).status_code
        return real(**more)

    monkeypatch.setattr(step_up, "step_up", at_once)
    first = client.post("/procedures/hello/", sent).status_code
    assert (first, second) == (302, [403]), "the second is asked anew, and its form is gone"
    assert Run.objects.count() == 1


def test_what_a_session_holds_is_taken_by_one_of_two_requests_that_saw_it(client: Client) -> None:
    asked(client)
    requests = [HttpRequest(), HttpRequest()]
    for request in requests:
        request.session = SessionStore(client.cookies["sessionid"].value)
        assert request.session["step_up"]
    assert waiting.take_out(requests[0], "step_up")
    with pytest.raises(waiting.FormNotKept, match="second time"):
        waiting.take_out(requests[1], "step_up")
    assert waiting.take_out(requests[1], "nothing") is None
    assert waiting.take_out(requests[1], waiting.PLACE), "what nobody took is there"


def test_a_form_goes_on_only_where_it_was_sent_in_time_and_in_the_browser_that_sent_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = set_up(client)
    first, second = asked(client), asked(client)
    gone = client.post("/procedures/hello/", first | {"totp": code_of(secret)})
    assert (gone.status_code, "another took its place" in gone.content.decode()) == (409, True)
    assert client.post("/procedures/hello/?tab=run", second | {"totp": code_of(secret)}).status_code == 409
    with monkeypatch.context() as later:
        later.setattr(waiting, "GOOD_FOR", timedelta(0))
        late = asked_unkept(client)
    assert client.post("/procedures/hello/", late | {"totp": code_of(secret)}).status_code == 409
    stolen = asked(client)
    client.cookies[waiting.COOKIE] = base64.urlsafe_b64encode(b"k" * 32).decode()
    nothing = client.post("/procedures/hello/", stolen | {"totp": code_of(secret)})
    assert (nothing.status_code, "not kept" in nothing.content.decode()) == (409, True)
    assert not Run.objects.exists()


def asked_unkept(client: Client) -> dict[str, str]:
    page = client.post("/procedures/hello/", TYPED)
    assert "fill it in again once this is done" in page.content.decode()
    return hidden(page.content.decode())


def test_a_form_that_is_too_large_is_not_kept_and_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = set_up(client)
    monkeypatch.setattr(waiting, "MOST_BYTES", 20)
    ask = asked_unkept(client)
    assert waiting.COOKIE not in client.cookies
    done = client.post("/procedures/hello/", ask | {"totp": code_of(secret)})
    assert (done.status_code, "You are proved" in done.content.decode()) == (409, True)
    assert client.post("/procedures/hello/", TYPED).status_code == 302


def test_the_preview_says_that_a_second_factor_will_be_asked_for(client: Client) -> None:
    said = "Asks you for a code, a passkey or a signature: this is of high risk in staging."
    assert said in client.post("/procedures/hello/preview/", TYPED).content.decode()
    Version.objects.filter(procedure=Procedure.objects.get(name="hello")).update(risk="low")
    assert said not in client.post("/procedures/hello/preview/", TYPED).content.decode()


def test_who_has_no_second_factor_yet_is_told_where_to_set_one_up(client: Client) -> None:
    page = client.post("/procedures/hello/", TYPED).content.decode()
    assert "/settings/#ca" in page
    assert 'name="totp"' in page
