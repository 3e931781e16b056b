"""How a decision is proven on the pages and over REST: a code app set up, a passkey offered, what is asked for when."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from procedures.domain import totp
from procedures.domain.clock import now
from procedures.domain.secrets import Secret
from procedures.models import CodeApp, Environment, Run
from procedures.services import tokens
from tests.factories.passkeys import SoftPasskey
from tests.web.town import PASSWORD, Town

pytestmark = pytest.mark.ordinary


def waiting(town: Town, minimum: str) -> Run:
    """A run in staging that somebody must approve, at that strength."""
    town.accept("hello")
    Environment.objects.filter(pk="staging").update(approvals={"low": {"operations": 1}}, min_strength=minimum)
    return town.ask(environment="staging")


def code_of(secret: Secret, ahead: int = 0) -> str:
    return totp.code_at(secret, int(now().timestamp()) // totp.STEP_S + ahead)


def set_up(client: Client) -> Secret:
    """As a person does it: password, then the code that the app shows."""
    html = client.post("/settings/code-app/", {"do": "begin", "password": PASSWORD}).content.decode()
    found = re.search(r"secret=([A-Z2-7]{32})", html)
    assert found, "the link is shown as text"

    secret = Secret(base64.b32decode(found[1]))
    assert "<svg class=" in html
    assert client.post("/settings/code-app/", {"do": "enrol", "code": code_of(secret, -1)}).status_code == 302
    return secret


def test_a_code_app_is_set_up_shown_once_and_approves(town: Town) -> None:
    run, client = waiting(town, "totp"), town.client("aisha")
    assert "set up a code app" in client.get(f"/approvals/{run.id}/").content.decode()
    secret = set_up(client)
    again = client.get("/settings/").content.decode()
    assert totp.as_text(secret) not in again
    assert 'name="totp"' in client.get(f"/approvals/{run.id}/").content.decode()
    posted = {"verdict": "approve", "plan_digest": run.plan_digest}
    assert client.post(f"/approvals/{run.id}/", posted).status_code == 403
    wrong = client.post(f"/approvals/{run.id}/", {**posted, "totp": "000000"})
    assert (wrong.status_code, "not the code of now" in wrong.content.decode()) == (403, True)
    assert client.post(f"/approvals/{run.id}/", {**posted, "totp": code_of(secret)}).status_code == 302
    assert run.approvals.get().strength == "totp"


def test_a_wrong_password_sets_nothing_up(town: Town) -> None:
    client = town.client("aisha")
    answer = client.post("/settings/code-app/", {"do": "begin", "password": "guess"})
    assert (answer.status_code, CodeApp.objects.exists()) == (403, False)


def test_a_manager_removes_a_lost_code_app_on_the_page_people(town: Town) -> None:
    set_up(town.client("aisha"))
    jonas = town.client("jonas")
    assert "Lost a code app" in jonas.get("/people/").content.decode()
    subject = str(town.people["aisha"].subject)
    assert town.client("mira").post("/settings/code-app/", {"do": "remove", "person": subject}).status_code == 403
    assert jonas.post("/settings/code-app/", {"do": "remove", "person": subject}).status_code == 302
    assert "Lost a code app" not in jonas.get("/people/").content.decode()


def test_where_a_signature_is_asked_for_no_code_field_stands(town: Town) -> None:
    run, client = waiting(town, "signed"), town.client("aisha")
    set_up(client)
    html = client.get(f"/approvals/{run.id}/").content.decode()
    assert 'name="totp"' not in html
    assert "ssh-keygen" in html


def test_rest_takes_a_code_from_a_session_and_never_beside_a_token(town: Town) -> None:
    run = waiting(town, "totp")
    secret = set_up(town.client("aisha"))
    body = {"plan_digest": run.plan_digest, "signature": {"totp": code_of(secret)}}
    _, token = tokens.make_token(actor=town.people["aisha"], name="t", days=1, at=now())
    bearer = APIClient(HTTP_HOST="localhost", HTTP_AUTHORIZATION=f"Bearer {token}")
    refused = bearer.post(f"/api/v1/runs/{run.id}/approve/", body, format="json")
    assert (refused.status_code, "bearer token alone" in refused.json()["detail"]) == (403, True)
    session = APIClient(HTTP_HOST="localhost")
    session.force_authenticate(town.people["aisha"])
    assert session.post(f"/api/v1/runs/{run.id}/approve/", body, format="json").status_code == 200
    assert run.approvals.get().strength == "totp"


def test_rest_takes_a_passkey_s_answer(town: Town) -> None:
    run, soft = waiting(town, "signed"), SoftPasskey()
    town.change("aisha", "key", soft.object(town.people["aisha"]))
    session = APIClient(HTTP_HOST="localhost")
    session.force_authenticate(town.people["aisha"])

    asked = session.get(f"/api/v1/runs/{run.id}/statement/").json()["statement"]
    body: dict[str, Any] = {"plan_digest": run.plan_digest, "signature": soft.given(base64.b64decode(asked))}
    assert session.post(f"/api/v1/runs/{run.id}/approve/", body, format="json").status_code == 200
    assert run.approvals.get().signatures[0]["method"] == "passkey"


@pytest.mark.parametrize(
    "signature",
    [
        {},
        {"statement": "e30="},
        {"totp": "123456", "statement": "e30="},
        {"totp": 123456},
        {"statement": "e30=", "passkey": {}},
        {"statement": "e30=", "passkey": {"credential": "a", "authenticator_data": 5}},
        {"statement": "e30=", "passkey": "x"},
        {"statement": "e30=", "signature": "x", "passkey": {}},
        "123456",
    ],
)
def test_half_a_proof_is_refused_by_its_shape(town: Town, signature: Any) -> None:
    session = APIClient(HTTP_HOST="localhost")
    session.force_authenticate(town.people["aisha"])
    body = {"plan_digest": "sha256:x", "signature": signature}
    path = "/api/v1/runs/00000000-0000-7000-8000-000000000000/approve/"
    answer = session.post(path, body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"][:10]) == (400, "/signature"), answer.content


def test_the_settings_page_hands_the_browser_what_a_new_passkey_needs(town: Town) -> None:
    html = town.client("aisha").get("/settings/").content.decode()
    found = re.search(r'data-passkey-options="([^"]+)"', html)
    assert found
    options = json.loads(found[1].replace("&quot;", '"'))
    assert options["rp"] == {"name": "OpsPortal", "id": "localhost"}
    assert options["authenticatorSelection"]["userVerification"] == "required"


def test_where_browsers_offer_no_passkeys_the_settings_page_offers_ssh(town: Town, settings: Any) -> None:
    settings.OPSPORTAL_PUBLIC_URL = "http://ops.example.com"
    html = town.client("aisha").get("/settings/").content.decode()
    assert "Browsers offer no passkeys at http://ops.example.com" in html
    assert "data-passkey-options" not in html
    assert "Enrol an SSH key" in html


def test_a_made_up_passkey_is_told_so(town: Town) -> None:
    client = town.client("aisha")
    assert client.post("/settings/passkeys/", {"id": "AAAA"}).status_code == 400
    client.get("/settings/")
    answer = client.post("/settings/passkeys/", {"id": "AAAA", "clientDataJSON": "e30", "attestationObject": "oA"})
    assert (answer.status_code, "not that of a new passkey" in answer.content.decode()) == (400, True)
