"""Every door through which access is given: what it shows before, and that nobody gives to themselves through it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from procedures.domain.canonical import canon, moment
from procedures.domain.clock import now
from procedures.models import ControlChange, Grant, Membership, Person, Procedure, Target
from procedures.services import controls
from tests.factories.portal import SOON, World

BACKEND = "procedures.access.backend.PasswordBackend"


def client_of(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    return client


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def object_for(principal: str) -> dict[str, Any]:
    dates = {"not_before": moment(now()), "expires_at": SOON}
    return {"principal": principal, "verbs": ["run"], "environments": ["staging"], "reason": "mine", **dates}


def test_nobody_gives_to_themselves_through_any_door(world: World) -> None:
    """Directly, as a member of a group, and into a group that they then join; by API, page and as a confirmer."""
    mira, nora = world.mira, world.manager()
    night = Group.objects.create(name="night")
    Membership.objects.create(person=mira, group=night, since_at=now(), added_by=nora)
    client = client_of(mira)
    for principal in (f"person:{mira.subject}", "group:night"):
        object = object_for(principal)
        statement = canon(controls.statement_for(actor=mira, control="grant", object=object))
        signature = world.signed("mira", statement)
        spoken = principal if principal == "group:night" else "person:mira"
        answers = [
            post(client, "/api/v1/controls/", {"control": "grant", "object": object, "signature": signature}),
            post(client, "/api/v1/grants/", {**object, "principal": spoken, "signature": signature}),
            client.post("/changes/grant/new/", {"object": json.dumps(object), **signature}),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403], [a.content for a in answers]
        assert all("you would gain" in answer.content.decode() for answer in answers)
    Membership.objects.filter(person=mira).delete()
    world.propose("grant", object_for("group:night"))
    join = {"person": str(mira.subject), "group": "night", "action": "add"}
    signature = world.signed("mira", canon(controls.statement_for(actor=mira, control="membership", object=join)))
    answer = post(client, "/api/v1/controls/", {"control": "membership", "object": join, "signature": signature})
    assert answer.status_code == 403, "a group that she gave access to is no way in"
    world.confirmed("profile", {"profile": "separate"})
    change = world.propose("grant", {**object_for(f"person:{nora.subject}"), "environments": ["production"]})
    signature = world.signed("nora", bytes(change.statement))
    answer = post(client_of(nora), f"/api/v1/controls/{change.pk}/confirm/", {"signature": signature})
    assert answer.status_code == 403
    assert set(Grant.objects.values_list("group__name", flat=True).exclude(group=None)) == {"night"}
    assert not Grant.objects.filter(person=mira, granted_by=mira).exists()


def test_a_grant_shows_what_it_would_allow_before_it_is_made(world: World) -> None:
    world.accepted("collect-diagnostics")
    diagnostics = Procedure.objects.get(name="collect-diagnostics")
    world.confirmed("labels", {"procedure": diagnostics.name, "labels": ["qa-safe"]})
    quinn, tina = world.person("quinn"), world.person("tina")
    night = Group.objects.create(name="night")
    for one in (quinn, tina):
        Membership.objects.create(person=one, group=night, since_at=now(), added_by=world.mira)
    world.may(quinn, "run", principal="group:night", procedure=diagnostics.name, environments=["staging"])
    key = {"host_key": "k", "host_key_sha256": "k", "trust": "key", "since_at": now(), "attributes": {}}
    for name, role in (("web-01", "web"), ("db-01", "db")):
        mark = {**key, "host_key_sha256": name}
        Target.objects.create(environment_id="staging", name=name, address=name, port=22, tags={"role": role}, **mark)
    body = {
        "principal": "group:night",
        "verbs": ["run"],
        "selector": ["qa-safe"],
        "environments": ["staging"],
        "target_filter": "role=web",
        "expires_at": SOON,
        "reason": "nights",
    }
    client = client_of(world.mira)
    found = post(client, "/api/v1/grants/preview/", body).json()
    assert found["procedures"] == {"every": False, "grows": False, "count": 1, "names": [diagnostics.name]}
    assert found["people"] == {"count": 2, "usernames": ["quinn", "tina"]}
    assert found["targets"]["matching"] == [{"name": "web-01", "environment": "staging"}]
    assert [one["principal"] for one in found["held"]] == ["group:night"]
    wrong = post(client, "/api/v1/grants/preview/", {**body, "selector": ["nobody"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/object/selector")
    assert post(client_of(quinn), "/api/v1/grants/preview/", body).status_code == 403
    form = {
        "principal": "group:night",
        "verbs": ["run"],
        "selector": "qa-safe",
        "environments": ["staging"],
        "target_filter": "role=web",
        "window_days": ["mon", "tue", "wed"],
        "window_from": "22:00",
        "window_until": "06:00",
        "window_zone": "Europe/Berlin",
        "days": "7",
        "reason": "nights",
    }
    html = client.post("/changes/grant/new/", form).content.decode()
    for text in (diagnostics.title, "Quinn, Tina", "web-01", "mon to wed, 22:00 to 06:00, Europe/Berlin"):
        assert text in html
    assert "db-01" not in html
    assert not ControlChange.objects.filter(object__reason="nights").exists(), "nothing was proposed"
    page = client.get("/access/").content.decode()
    assert "qa-safe" in page
    assert "Longest terms" in page
    joins = client.post("/changes/labels/new/", {"procedure": "hello", "labels": "qa-safe"}).content.decode()
    assert "Nobody: no access that grows goes by them" in joins


def test_dates_of_the_form_are_whole_days(world: World) -> None:
    client, begins = client_of(world.mira), (now() + timedelta(days=2)).date()
    form = {"principal": "x", "verbs": ["run"], "reason": "x", "from_day": str(begins), "last_day": str(begins)}
    quinn = world.person("quinn")
    html = client.post("/changes/grant/new/", {**form, "principal": f"person:{quinn.subject}"}).content.decode()
    assert f"{begins}T00:00:00.000000Z" in html
    assert f"{begins + timedelta(days=1)}T00:00:00.000000Z" in html
    assert client.post("/changes/grant/new/", {**form, "from_day": "soon"}).status_code == 422
