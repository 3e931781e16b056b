"""The pages of deputies and of asking somebody else to decide, and their doors over REST, from each position."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from procedures.domain.clock import now
from procedures.models import DecisionAsked, Deputy, Person, Run
from tests.factories.portal import World, new_world
from tests.services.test_deputies import name, populated, who

pytestmark = pytest.mark.ordinary
SOON = f"{now() + timedelta(days=3):%Y-%m-%d}"


@pytest.fixture
def town(db: None) -> World:
    return populated(new_world())


def as_(username: str) -> APIClient:
    client = APIClient()
    client.force_login(Person.objects.get(username=username), backend="procedures.access.backend.PasswordBackend")
    client.get("/api/v1/me/")
    return client


def form(deputy: str, **more: object) -> dict[str, object]:
    return {"deputy": str(who(deputy).subject), "verbs": ["approve"], "from": "2026-01-01", "until": SOON, **more}


def test_a_deputy_is_named_seen_by_both_and_ended_on_the_page(town: World) -> None:
    page = as_("olga").get("/settings/deputies/").content.decode()
    assert str(who("petra").subject) in page
    assert str(who("quinn").subject) not in page, "who could decide nothing for her is not offered"
    assert "Nobody else may decide" in as_("quinn").get("/settings/deputies/").content.decode()
    assert as_("olga").post("/settings/deputies/", form("petra")).status_code == 302
    row = Deputy.objects.get()
    assert f"{row.until_at:%Y-%m-%d %H:%M}" == f"{now() + timedelta(days=4):%Y-%m-%d} 00:00", "to the end of that day"
    run = town.ask(who("quinn"))
    assert "also for" not in as_("petra").get("/approvals/").content.decode()
    offered = f'name="agree" value="{row.pk}"'
    for username, offers in (("olga", False), ("petra", True)):
        page = as_(username).get("/settings/deputies/").content.decode()
        assert ("has not agreed yet" in page, offered in page) == (True, offers), username
    assert as_("olga").post("/settings/deputies/", {"agree": str(row.pk)}).status_code == 403
    assert as_("quinn").post("/settings/deputies/", {"agree": str(row.pk)}).status_code == 404
    assert as_("petra").post("/settings/deputies/", {"agree": str(row.pk)}).status_code == 302
    assert as_("petra").post("/settings/deputies/", {"agree": str(row.pk)}).status_code == 409
    assert "has not agreed yet" not in as_("olga").get("/settings/deputies/").content.decode()
    for path in ("/", "/approvals/"):
        assert "also for Olga" in as_("petra").get(path).content.decode(), path
        assert "also for" not in as_("olga").get(path).content.decode(), path
    assert as_("quinn").post("/settings/deputies/", {"end": str(row.pk)}).status_code == 404
    assert as_("petra").post("/settings/deputies/", {"end": str(row.pk)}).status_code == 302
    assert as_("petra").post("/settings/deputies/", {"end": str(row.pk)}).status_code == 409
    assert run.state == "awaiting_approval"


def test_a_form_that_is_refused_keeps_what_was_typed(town: World) -> None:
    answer = as_("olga").post("/settings/deputies/", form("petra", until="soon"))
    assert answer.status_code == 422
    assert "is no day like" in answer.content.decode()
    answer = as_("olga").post("/settings/deputies/", form("quinn"))
    assert (answer.status_code, f'value="{SOON}"' in answer.content.decode()) == (422, True)
    assert as_("olga").post("/settings/deputies/", {**form("petra"), "deputy": "x"}).status_code == 404
    assert not Deputy.objects.exists()


def test_over_rest_a_deputy_is_named_once_listed_and_ended(town: World) -> None:
    client, given = as_("olga"), {"deputy": str(who("petra").subject), "until_at": f"{SOON}T10:00:00+02:00"}
    first = client.post("/api/v1/deputies/", given, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert (first.status_code, first.json()["verbs"]) == (201, ["approve"])
    assert first.json()["until_at"] == f"{SOON}T08:00:00.000000Z"
    again = client.post("/api/v1/deputies/", given, format="json", HTTP_IDEMPOTENCY_KEY="k")
    assert again.json() == first.json()
    assert client.post("/api/v1/deputies/", given, format="json").status_code == 409
    for bad in ({"until_at": "tomorrow"}, {"until_at": f"{SOON}T10:00:00"}, {"verbs": ["run"]}, {"verbs": []}):
        assert client.post("/api/v1/deputies/", {**given, **bad}, format="json").status_code == 400, bad
    assert [row["id"] for row in as_("petra").get("/api/v1/deputies/").json()["results"]] == [first.json()["id"]]
    assert as_("quinn").get("/api/v1/deputies/").json()["results"] == []
    assert first.json()["agreed_at"] is None
    agree = f"/api/v1/deputies/{first.json()['id']}/agree/"
    assert [as_(one).post(agree).status_code for one in ("mira", "olga", "petra", "petra")] == [404, 403, 200, 409]
    assert as_("olga").get("/api/v1/deputies/").json()["results"][0]["agreed_at"]
    end = f"/api/v1/deputies/{first.json()['id']}/end/"
    assert as_("mira").post(end).status_code == 404
    assert as_("petra").post(end).json()["over"]
    assert client.post(end).status_code == 409


def test_what_waits_is_passed_on_by_page_and_by_rest(town: World) -> None:
    run: Run = town.ask(who("quinn"))
    page, door = f"/decisions/run/{run.pk}/", f"/api/v1/decisions/run/{run.pk}/"
    assert page in as_("olga").get(f"/approvals/{run.pk}/").content.decode()
    shown = as_("olga").get(page).content.decode()
    assert re.findall(r'<option value="([^"]+)">', shown) == [str(town.mira.subject), str(who("petra").subject)]
    assert as_("quinn").get(page).status_code == 404
    typed = {"to": str(who("quinn").subject), "reason": "<b>you</b>"}
    refused = as_("olga").post(page, typed)
    assert (refused.status_code, "&lt;b&gt;you&lt;/b&gt;" in refused.content.decode()) == (422, True)
    typed["to"] = str(who("petra").subject)
    assert as_("olga").post(page, typed).status_code == 302
    assert as_("olga").post(door, typed, format="json").status_code == 409
    assert as_("quinn").post(door, typed, format="json").status_code == 404
    assert DecisionAsked.objects.count() == 1
    assert "Olga asks you: &lt;b&gt;you&lt;/b&gt;" in as_("petra").get("/approvals/").content.decode()
    assert as_("petra").get(door).json()["could_decide"] == ["mira", "olga", "petra"]
    (waits,) = as_("petra").get("/api/v1/decisions/").json()["results"]
    assert (waits["what"], waits["title"]) == ("run", f"Run {run.no} of hello in development")
    assert [(one["by"], one["reason"]) for one in waits["passed_on"]] == [("olga", "<b>you</b>")]
    name("olga", "petra")
    (waits,) = as_("petra").get("/api/v1/decisions/").json()["results"]
    assert waits["deputy_for"] == ["olga"]
    assert as_("quinn").get("/api/v1/decisions/").json()["results"] == []
