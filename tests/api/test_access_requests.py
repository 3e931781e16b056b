"""Asking for access over REST, with a token too; what is granted is signed."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rest_framework.test import APIClient

from procedures.domain.clock import now
from procedures.models import Grant, Procedure
from procedures.services import tokens
from tests.api.conftest import Client
from tests.factories.portal import World

pytestmark = pytest.mark.once
ROOT = "/api/v1/access-requests/"
WISH = {"procedure": "hello", "environments": ["staging"], "days": 30, "reason": "on call"}
RUN = {"procedure": "hello", "environment": "staging", "reason": "r", "parameters": {"name": "x"}}


def test_from_a_refused_run_to_a_run_by_what_was_granted(world: World, client_of: Client) -> None:
    world.accepted()
    quinn = world.person("quinn")
    _, token = tokens.make_token(actor=quinn, name="ci", days=1, at=now())
    robot = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    denied = robot.post("/api/v1/runs/", RUN, format="json").json()
    assert "opsportal access request hello --environment staging --verb run" in denied["next_step"]
    assert denied["link"] == "/procedures/hello/ask/?verb=run&environment=staging"
    asked = robot.post(ROOT, WISH, format="json")
    assert (asked.status_code, asked.json().get("state")) == (201, "open"), asked.json()
    here = f"{ROOT}{asked.json()['id']}/"
    _, small = tokens.make_token(
        actor=quinn, name="dev", days=1, at=now(), reach=tokens.Reach(environments=("development",))
    )
    narrow = APIClient(HTTP_AUTHORIZATION=f"Bearer {small}").post(ROOT, WISH, format="json")
    assert (narrow.status_code, "development" in narrow.json()["detail"]) == (403, True)
    again = robot.post(ROOT, WISH, format="json")
    assert (again.status_code, again.json()["link"]) == (409, asked.json()["url"])
    assert robot.get(here).json()["deciders"] == ["mira"]
    mira = client_of(world.mira)
    offer = mira.get(here).json()["offer"]
    assert "offer" not in robot.get(here).json()
    answer = mira.post(f"{here}grant/", signed(world, mira, offer), format="json")
    assert (answer.status_code, answer.json()["state"]) == (201, "granted"), answer.json()
    assert Grant.objects.get(pk=answer.json()["grant"]).person == quinn
    assert robot.post("/api/v1/runs/", RUN, format="json").status_code in {201, 202}
    assert [row["id"] for row in robot.get(f"{ROOT}?state=granted").json()["results"]] == [asked.json()["id"]]


def signed(world: World, client: APIClient, offer: dict[str, Any]) -> dict[str, Any]:
    body = {"control": "grant", "object": offer}
    statement = client.post("/api/v1/controls/statement/", body, format="json").json()["statement"]
    return {"object": offer, "signature": world.signed("mira", base64.b64decode(statement))}


def test_wider_than_asked_and_of_nobody_elses_business(world: World, client_of: Client) -> None:
    world.accepted()
    quinn, max_ = client_of(world.person("quinn")), client_of(world.person("max"))
    here = f"{ROOT}{quinn.post(ROOT, WISH, format='json').json()['id']}/"
    mira = client_of(world.mira)
    offer = mira.get(here).json()["offer"] | {"environments": ["staging", "production"]}
    wide = mira.post(f"{here}grant/", signed(world, mira, offer), format="json")
    assert (wide.status_code, wide.json()["errors"][0]["pointer"]) == (400, "/object/environments")
    for method, path in (
        ("get", here),
        ("post", f"{here}withdraw/"),
        ("post", f"{here}refuse/"),
        ("post", f"{here}grant/"),
    ):
        body: dict[str, Any] = (
            {"object": offer} if path.endswith("grant/") else {"reason": "x"} if "refuse" in path else {}
        )
        answer = getattr(max_, method)(path, body, format="json")
        assert answer.status_code == 404, path
    assert max_.get(ROOT).json()["results"] == []
    assert quinn.post(f"{here}refuse/", {"reason": "x"}, format="json").status_code == 403
    assert quinn.post(f"{here}withdraw/", {}, format="json").json()["state"] == "withdrawn"


def test_hidden_and_missing_answer_alike(world: World, client_of: Client) -> None:
    world.accepted()
    Procedure.objects.filter(name="hello").update(hidden=True)
    quinn = client_of(world.person("quinn"))
    for path, body in ((ROOT, WISH), ("/api/v1/runs/", RUN)):
        answers = []
        for name in ("hello", "hallo"):
            answer = quinn.post(path, {**body, "procedure": name}, format="json")
            found = {k: v for k, v in answer.json().items() if k not in {"request_id", "event"}}
            answers.append((answer.status_code, str(found).replace(name, "x")))
        assert answers[0] == answers[1], path


def test_extending_keeps_everything_but_the_days(world: World, client_of: Client) -> None:
    quinn = world.person("quinn")
    world.accepted()
    grant = world.may(quinn, "run", procedure="hello")
    client = client_of(quinn)
    more = {"extends": str(grant.pk), "days": 5, "reason": "still", "verbs": ["approve"]}
    wrong = client.post(ROOT, more, format="json").json()
    assert wrong["errors"][0]["pointer"] == "/verbs"
    made = client.post(ROOT, {k: v for k, v in more.items() if k != "verbs"}, format="json").json()
    assert (made["extends"], made["verbs"]) == (str(grant.pk), ["run"])
