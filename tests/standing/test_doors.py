"""Schedules and hooks over REST and on pages: what is shown to whom, and proposing, pausing and re-pinning there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.answers.who import who_can
from procedures.domain.clock import now
from procedures.models import Person, Run, Standing
from tests.standing.conftest import Plant, due, swept

pytestmark = pytest.mark.once
BACKEND = "procedures.access.backend.PasswordBackend"
FORM = {"name": "nightly", "procedure": "hello", "environment": "development", "reason": "every night", "days": "30"}
CRON = {"goes_by": "cron", "cron": "30 2 * * mon-fri", "zone": "Europe/Berlin", "late": "run_once", "overlap": "queue"}


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person, backend=BACKEND)
    return client


def post(client: Client, path: str, data: Any) -> Any:
    return client.post(path, json.dumps(data), content_type="application/json")


def test_over_rest_what_is_typed_is_completed_shown_proposed_and_listed(plant: Plant) -> None:
    olga = browser(plant.olga)
    given = {"name": "nightly", "procedure": "hello", "environment": "development", "account": "robot", "reason": "x"}
    given |= {"when": {"cron": "0 6 * * *", "zone": "Asia/Kathmandu"}, "expires_at": plant.schedule()["expires_at"]}
    made = post(olga, "/api/v1/schedules/preview/", {"object": given}).json()
    assert made["object"]["digest"] == plant.version.digest
    assert made["object"]["parameters"] == {"name": "world"}
    assert len(made["planned"]) == 10
    assert made["planned"][0]["there"].endswith("T06:00:00+05:45")
    assert made["planned"][0]["utc"].endswith("T00:15:00.000000Z")
    answer = post(olga, "/api/v1/schedules/", {"object": given})
    assert (answer.status_code, answer.json()["state"]) == (201, "confirmed")
    row = Standing.objects.get()
    swept(due(row))
    [listed] = olga.get("/api/v1/schedules/?procedure=hello").json()["results"]
    assert (listed["state"], listed["last"]["run"]) == ("active", Run.objects.get().no)
    one = olga.get("/api/v1/schedules/nightly/").json()
    assert (len(one["planned"]), one["history"][0]["outcome"], one["repin"]) == (10, "asked", None)
    assert olga.get("/api/v1/hooks/nightly/").status_code == 404
    paused = post(olga, "/api/v1/schedules/nightly/pause/", {"reason": "holidays"}).json()
    assert (paused["state"], paused["paused_why"]) == ("paused", "holidays")
    assert post(olga, "/api/v1/schedules/nightly/pause/", {"reason": "twice"}).status_code == 409
    assert post(olga, "/api/v1/schedules/nightly/resume/", {"reason": "back"}).json()["state"] == "active"
    ends = {"control": "standing_end", "object": one["end"]}
    assert post(olga, "/api/v1/controls/", ends).json()["state"] == "confirmed"
    assert olga.get("/api/v1/schedules/nightly/").json()["state"] == "ended"


def test_whoever_may_not_view_the_procedure_sees_none_of_it(plant: Plant) -> None:
    plant.sets("schedule", plant.schedule())
    plant.sets("hook", plant.hook())
    stranger, viewer = plant.world.person("stranger"), plant.world.person("viewer")
    plant.world.may(viewer, "view", procedure="hello")
    for kind, name in (("schedule", "nightly"), ("hook", "deployed")):
        for person, status in ((stranger, 404), (viewer, 200)):
            client = browser(person)
            assert client.get(f"/api/v1/{kind}s/{name}/").status_code == status
            assert client.get(f"/schedules/{kind}/{name}/").status_code == status
            assert (name in client.get("/schedules/").content.decode()) == (status == 200)
            assert post(client, f"/api/v1/{kind}s/{name}/pause/", {"reason": "x"}).status_code == 404 - (status == 200)
    assert not Standing.objects.filter(paused_at__isnull=False).exists()


def test_on_its_page_stand_the_next_ten_in_its_zone_and_in_utc(plant: Plant) -> None:
    olga = browser(plant.olga)
    typed = {**FORM, **CRON, "account": str(plant.robot.subject), "parameters": "{}"}
    asked = olga.post("/changes/schedule/new/", typed).content.decode()
    assert "Robot runs hello in development at 30 2 * * mon-fri (Europe/Berlin), until" in asked
    wrong = olga.post("/changes/schedule/new/", {**typed, "parameters": "[]"})
    assert (wrong.status_code, "is not a JSON object" in wrong.content.decode()) == (422, True)
    row = plant.sets("schedule", plant.schedule(when={"cron": "30 2 * * mon-fri", "zone": "Europe/Berlin"}))
    page = olga.get("/schedules/schedule/nightly/").content.decode()
    assert page.count(" 02:30") == 10
    assert page.count(" 00:30") + page.count(" 01:30") == 10
    assert "Pause it" in page
    olga.post("/schedules/schedule/nightly/", {"do": "pause", "reason": "holidays"})
    row.refresh_from_db()
    assert row.paused_why == "holidays"
    assert "holidays" in olga.get("/schedules/schedule/nightly/").content.decode()
    olga.post("/schedules/schedule/nightly/", {"do": "resume", "reason": "back"})
    end = {"kind": "schedule", "name": "nightly", "procedure": "hello", "environment": "development", "reason": "over"}
    shown = olga.post("/changes/standing_end/new/", end).content.decode()
    assert "The schedule nightly of hello in development asks for nothing any more" in shown


def test_a_hook_s_page_gives_its_secret_once_to_whoever_stands_behind_it(plant: Plant) -> None:
    plant.sets("hook", plant.hook(proof="hmac"))
    olga = browser(plant.olga)
    first = olga.post("/schedules/hook/deployed/secret/").content.decode()
    assert "whsec_" in first
    assert "whsec_" not in olga.get("/schedules/hook/deployed/").content.decode()
    assert browser(plant.world.mira).post("/schedules/hook/deployed/secret/").status_code == 200, "operates there"
    quinn = plant.world.person("quinn")
    plant.world.may(quinn, "view", "run", procedure="hello")
    assert browser(quinn).post("/schedules/hook/deployed/secret/").status_code == 403
    typed = {**FORM, "name": "pushed", "account": str(plant.robot.subject), "mapping": "{}", "proof": "ed25519"}
    keys = plant.hook(name="x")["keys"][0]["key"]
    asked = olga.post("/changes/hook/new/", {**typed, "keys": f"{keys} olga", "a_minute": "6"}).content.decode()
    assert "when a delivery comes that is signed by ed25519, at most 6 a minute" in asked
    unknown = olga.post("/changes/hook/new/", {**typed, "keys": f"{keys} nobody", "a_minute": "6"})
    assert "is not a key and the user name of a person" in unknown.content.decode()


def test_who_may_run_this_names_schedules_and_hooks(plant: Plant) -> None:
    plant.sets("schedule", plant.schedule())
    plant.sets("hook", plant.hook())
    found = who_can("run", procedure="hello", environment="development", at=now())
    named = {(one.through, one.person) for one in found if ":" in one.through and not one.through.startswith("group")}
    assert named == {("schedule:nightly", "robot"), ("hook:deployed", "robot")}
    elsewhere = who_can("run", procedure="hello", environment="staging", at=now())
    elsewhere += who_can("approve", procedure="hello", environment=None, at=now())
    assert not [one for one in elsewhere if one.through in {"schedule:nightly", "hook:deployed"}]
