"""Asking for access on pages: from the procedure's page to the grant, with a plain form at every step."""

from __future__ import annotations

import base64
import re
from datetime import timedelta

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import AccessRequest, Grant, Procedure
from tests.web.test_pages import UGLY, hidden
from tests.web.town import Town

pytestmark = pytest.mark.once
WISH = {"verb": ["run"], "environment": ["production"], "days": "30", "reason": "on call"}


def asked(town: Town, name: str = "stranger", **more: object) -> AccessRequest:
    answer = town.client(name).post("/procedures/hello/ask/", {**WISH, **more})
    row = AccessRequest.objects.latest("id")
    assert answer["Location"] == f"/access/requests/{row.pk}/", answer.content
    return row


def test_a_stranger_asks_from_the_page_and_a_manager_signs_less(town: Town) -> None:
    town.accept("hello")
    page = town.client("stranger").get("/procedures/hello/").content.decode()
    assert 'href="/procedures/hello/ask/"' in page
    row = asked(town, environment=["staging", "production"], reason=UGLY)
    seen = town.client("stranger").get(f"/access/requests/{row.pk}/").content.decode()
    assert "Jonas Weber" in seen
    assert "<script>alert" not in seen
    jonas = town.client("jonas")
    for place in ("/", "/access/"):
        html = jonas.get(place).content.decode()
        assert f"/access/requests/{row.pk}/" in html, place
        assert "<script>alert" not in html
    less = {"verbs": ["run"], "environments": ["production"], "days": "5", "reason": "for the migration", "next": "/"}
    shown = jonas.post(f"/access/requests/{row.pk}/grant/", less).content.decode()
    made, statement = hidden(shown, "object"), hidden(shown, "statement")
    assert f'action="/access/requests/{row.pk}/grant/"' in shown
    weak = jonas.post(f"/access/requests/{row.pk}/grant/", {"object": made})
    assert (weak.status_code, "needs a signature" in weak.content.decode()) == (403, True)
    signature = town.sign("jonas", base64.b64decode(statement))
    jonas.post(f"/access/requests/{row.pk}/grant/", {"object": made, **signature})
    row.refresh_from_db()
    assert (row.state, row.narrowed) == ("granted", ["environments", "days"])
    assert Grant.objects.get(pk=row.change_id).reason == "for the migration"
    assert (
        "with less environments, days than asked"
        in town.client("stranger").get(f"/access/requests/{row.pk}/").content.decode()
    )


def test_a_refusal_is_read_by_its_asker_and_what_is_wrong_in_the_form_stays_typed(town: Town) -> None:
    town.accept("hello")
    wrong = town.client("stranger").post("/procedures/hello/ask/", {**WISH, "days": "many"})
    assert (wrong.status_code, "on call" in wrong.content.decode()) == (422, True)
    row = asked(town)
    again = town.client("stranger").post("/procedures/hello/ask/", WISH)
    assert (again.status_code, f'href="/access/requests/{row.pk}/"' in again.content.decode()) == (409, True)
    town.client("jonas").post(f"/access/requests/{row.pk}/", {"reason": "Ask Mira instead."})
    assert "Ask Mira instead." in town.client("stranger").get("/access/").content.decode()
    assert town.client("mira").get(f"/access/requests/{row.pk}/").status_code == 404
    assert town.client("jonas").post(f"/access/requests/{row.pk}/", {"reason": "twice"}).status_code == 409


def test_ask_to_extend_stands_beside_what_ends_soon_and_is_ones_own(town: Town) -> None:
    town.accept("hello")
    mira = town.people["mira"]
    made = {"principal": f"person:{mira.subject}", "verbs": ["run"], "procedure": "hello", "environments": ["staging"]}
    lasts = {"not_before": moment(now()), "expires_at": moment(now() + timedelta(days=5)), "reason": "for a while"}
    town.change("jonas", "grant", {**made, **lasts})
    grant = Grant.objects.get(reason="for a while")
    assert f"/access/{grant.pk}/extend/" in town.client("mira").get("/access/").content.decode()
    assert f"/access/{grant.pk}/extend/" not in town.client("jonas").get("/access/").content.decode()
    assert town.client("jonas").get(f"/access/{grant.pk}/extend/").status_code == 404
    town.client("mira").post(f"/access/{grant.pk}/extend/", {"days": "10", "reason": "longer"})
    row = AccessRequest.objects.get()
    assert (row.extends, row.days, row.environments) == (grant, 10, ["staging"])
    assert "from the end of" in town.client("jonas").get(f"/access/requests/{row.pk}/").content.decode()


def test_a_hidden_procedure_has_no_form_as_a_missing_one_has_none(town: Town) -> None:
    town.accept("hello")
    Procedure.objects.filter(name="hello").update(hidden=True)
    client = town.client("stranger")
    token = re.compile(r'value="[A-Za-z0-9]{64}"')
    pages = [
        token.sub("", answer.content.decode()).replace(name, "x")
        for name in ("hello", "hallo")
        for answer in (client.get(f"/procedures/{name}/ask/"), client.post(f"/procedures/{name}/ask/", WISH))
        if answer.status_code == 404
    ]
    assert len(pages) == 4
    assert (pages[0], pages[1]) == (pages[2], pages[3])
