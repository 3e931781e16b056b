"""Break-glass at its doors: pages for a person with a key, a banner for security, and nothing for a bearer token."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

import pytest
from django.test import Client
from rest_framework.test import APIClient

from procedures.domain.clock import now
from procedures.models import GlassBreak, Person
from procedures.services import tokens
from tests.evidence.test_break_glass import broken, on_call
from tests.evidence.test_passkeys import Office
from tests.fixtures.settled import Settled
from tests.web.town import BACKEND

pytestmark = pytest.mark.once

UGLY = "<script>window.owned=1</script> \u202e{{ 7|add:7 }} " + "x" * 300


@pytest.fixture
def office(db: None, settled: Settled, tmp_path: Path) -> Office:
    return settled(on_call, tmp_path)


def client_of(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    return client


def signed_form(office: Office, name: str, page: str) -> dict[str, str]:
    """The hidden fields of the page's form, and a signature over exactly what it says is to be signed."""
    fields = {
        key: html.unescape(value) for key, value in re.findall(r'type="hidden"\s+name="(\w+)"\s+value="([^"]*)"', page)
    }
    statement = base64.b64decode(fields["statement"])
    return {**fields, "signature": office.log.world.signed(name, statement)["signature"]}


def test_a_person_breaks_the_glass_on_the_page_and_another_reviews_it_there(office: Office) -> None:
    mira, jonas = client_of(office.log.world.mira), client_of(office.jonas)
    place = f"/approvals/{office.run.id}/break-glass/"
    assert place in mira.get(f"/approvals/{office.run.id}/").content.decode()
    assert "Go on to sign" in mira.get(place).content.decode()
    page = mira.get(place, {"reason": UGLY}).content.decode()
    assert "<script>window" not in page
    assert mira.post(place, {"reason": UGLY, "plan_digest": office.run.plan_digest}).status_code == 403
    answer = mira.post(place, signed_form(office, "mira", page))
    assert (answer.status_code, answer["Location"]) == (302, f"/runs/{office.run.id}/")
    use = GlassBreak.objects.get()
    home = jonas.get("/").content.decode()
    assert "Break-glass was used and is not reviewed yet" in home
    assert "Nobody has reviewed it yet" in jonas.get(f"/runs/{office.run.id}/").content.decode()
    assert "<script>window" not in jonas.get("/break-glass/").content.decode()
    review = f"/break-glass/{use.pk}/"
    assert "You stand behind this run" in mira.get(review).content.decode()
    page = jonas.get(review, {"verdict": "unjustified", "comment": UGLY}).content.decode()
    assert jonas.post(review, signed_form_of(office, page)).status_code == 302
    assert "Break-glass was used" not in jonas.get("/").content.decode()
    use.refresh_from_db()
    assert use.verdict == "unjustified"


def signed_form_of(office: Office, page: str) -> dict[str, str]:
    return signed_form(office, "jonas", page)


def test_who_has_nothing_to_do_with_it_sees_neither_banner_nor_register(office: Office) -> None:
    use = broken(office)
    sam = client_of(office.log.world.person("sam"))
    assert "Break-glass was used" not in sam.get("/").content.decode()
    assert sam.get("/break-glass/").status_code == 403
    assert sam.get(f"/break-glass/{use.pk}/").status_code == 404
    assert sam.get(f"/approvals/{office.run.id}/break-glass/").status_code == 404


def test_the_api_tells_the_register_and_takes_nothing_from_a_token(office: Office) -> None:
    use = broken(office)
    mira = office.log.world.mira
    _, token = tokens.make_token(actor=mira, name="ci", days=1, at=now())
    thief = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    body = {"plan_digest": office.run.plan_digest, "reason": "x", "signature": {"statement": "e30=", "signature": "x"}}
    for path, sent in (
        (f"/api/v1/runs/{office.run.id}/break-glass/", body),
        (f"/api/v1/break-glass/{use.pk}/review/", {"verdict": "justified", "comment": "fine"}),
    ):
        answer = thief.post(path, sent, format="json")
        assert (answer.status_code, "oken" in answer.json()["detail"]) == (403, True), answer.json()
    client = client_of(office.jonas)
    (row,) = client.get("/api/v1/break-glass/").json()["results"]
    assert (row["id"], row["person"], row["reviewer"]) == (str(use.pk), "mira", None)
    said = client.get(f"/api/v1/break-glass/{use.pk}/review/", {"verdict": "justified", "comment": "seen"}).json()
    assert said["value"]["use"] == str(use.pk)
    signature = office.log.world.signed("jonas", base64.b64decode(said["statement"]))
    sent = {"verdict": "justified", "comment": "seen", "signature": signature}
    done = client.post(f"/api/v1/break-glass/{use.pk}/review/", json.dumps(sent), content_type="application/json")
    assert (done.status_code, done.json()["reviewer"]) == (200, "jonas")
