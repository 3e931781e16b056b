"""A page that asks for a second factor brings the person back to what they were doing, with nothing typed lost."""

from __future__ import annotations

import base64
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from procedures.models import OpenSession, Run, Version
from tests.web.test_proofs import code_of, set_up
from tests.web.town import Town

pytestmark = pytest.mark.once

TYPED = {"environment": "staging", "reason": 'CHG-7 "quotes" <b>\nand a second line', "p.name": "Zoë & Co"}


@pytest.fixture
def client(town: Town) -> Client:
    town.accept("hello")
    Version.objects.filter(procedure__name="hello").update(risk="high")
    return town.client("mira")


def carried(html: str) -> dict[str, str]:
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input type="hidden"\s+name="([^"]+)"\s+value="([^"]*)"', html)
    }


def asked(client: Client) -> dict[str, str]:
    page = client.post("/procedures/hello/", TYPED)
    html = page.content.decode()
    assert (page.status_code, "Is it you?" in html) == (403, True), html
    return carried(html)


def test_what_was_typed_goes_on_once_a_code_proved_the_person(town: Town, client: Client) -> None:
    secret = set_up(client)
    kept = asked(client)
    assert {name: kept[name] for name in TYPED} == TYPED
    wrong = client.post("/procedures/hello/", kept | {"totp": "000000"})
    assert (wrong.status_code, "not the code of now" in wrong.content.decode()) == (403, True)
    again = carried(wrong.content.decode())
    assert {name: again[name] for name in TYPED} == TYPED
    before = client.cookies["sessionid"].value
    done = client.post("/procedures/hello/", again | {"totp": code_of(secret)})
    assert done.status_code == 302, done.content.decode()
    run = Run.objects.get()
    assert (run.reason, run.parameters["name"]) == (TYPED["reason"], TYPED["p.name"])
    assert client.cookies["sessionid"].value != before
    assert OpenSession.objects.get(person=town.people["mira"]).proved == "totp"
    assert client.post("/procedures/hello/", TYPED).status_code == 302, "good for fifteen minutes"


def test_a_signature_counts_once_for_the_page_that_asked(town: Town, client: Client) -> None:
    kept: dict[str, Any] = asked(client)
    given = town.sign("mira", base64.b64decode(kept["statement"]))
    proof = {"statement": given["statement"], "signature": given["signature"]}
    other = town.client("mira")
    other.get("/")
    assert other.post("/procedures/hello/", kept | proof).status_code == 403, "another session of hers"
    assert client.post("/procedures/hello/", kept | proof).status_code == 302
    OpenSession.objects.update(proved="session", proved_at=None)
    replayed = client.post("/procedures/hello/", kept | proof)
    assert (replayed.status_code, "too long ago" in replayed.content.decode()) == (403, True)
    assert Run.objects.count() == 1


def test_who_has_no_second_factor_yet_is_told_where_to_set_one_up(client: Client) -> None:
    page = client.post("/procedures/hello/", TYPED).content.decode()
    assert "/settings/#ca" in page
    assert 'name="totp"' in page
