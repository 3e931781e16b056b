"""One's own notices: listed, read once, nobody else's; what software asks for is told with its owner."""

from __future__ import annotations

import pytest

from procedures.domain.clock import now
from procedures.models import Notice, NoticeOff, Person
from procedures.queries.agents import asker
from procedures.services import notices
from tests.api.conftest import Client
from tests.factories.agents import new_agent
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary


@pytest.fixture
def olga(world: World) -> Person:
    olga = world.person("olga", "operations", key=True)
    notices.tell(
        "review.waits",
        [olga],
        key="x",
        path="/reviews/",
        at=now(),
        facts={"procedure": "hello", "number": 1, "risk": "low", "actor": "Adam"},
    )
    return olga


def test_own_notices_are_listed_and_read_once(client_of: Client, olga: Person) -> None:
    client = client_of(olga)
    rows = client.get("/api/v1/notices/?unread=1").json()["results"]
    assert [row["kind"] for row in rows] == ["review.waits", "key.enrolled"]
    assert rows[0]["says"].startswith("Adam submitted version 1 of hello")
    given = {"notices": [row["id"] for row in rows]}
    assert client.post("/api/v1/notices/read/", given, format="json").json() == {"read": 2}
    read_at = Notice.objects.get(pk=rows[0]["id"]).read_at
    assert client.post("/api/v1/notices/read/", given, format="json").json() == {"read": 0}
    assert Notice.objects.get(pk=rows[0]["id"]).read_at == read_at
    assert client.get("/api/v1/notices/?unread=1").json()["results"] == []
    older = client.get(f"/api/v1/notices/?before={rows[0]['id']}").json()["results"]
    assert [row["kind"] for row in older] == ["key.enrolled"]


def test_the_notices_of_another_are_not_there(client_of: Client, olga: Person, world: World) -> None:
    theirs = str(Notice.objects.filter(person=olga).latest("id").pk)
    own = str(Notice.objects.filter(person=world.mira).latest("id").pk)
    stranger = client_of(world.mira)
    refused = stranger.post("/api/v1/notices/read/", {"notices": [own, theirs]}, format="json")
    assert refused.status_code == 404
    assert not Notice.objects.filter(read_at__isnull=False).exists(), "nothing is half done"
    assert stranger.post("/api/v1/notices/read/", {"notices": []}, format="json").status_code == 400
    assert stranger.post("/api/v1/notices/read/", {"notices": ["x"]}, format="json").status_code == 404
    assert theirs not in stranger.get("/api/v1/notices/").content.decode()


def test_the_page_marks_what_it_showed_and_keeps_the_choice_of_mail(client_of: Client, olga: Person) -> None:
    client = client_of(olga)
    page = client.get("/settings/notices/").content.decode()
    assert page.count('name="read"') == 2
    shown = [str(one.pk) for one in Notice.objects.filter(person=olga)]
    assert client.post("/settings/notices/", {"read": shown}).status_code == 302
    assert not Notice.objects.filter(person=olga, read_at__isnull=True).exists()
    assert not NoticeOff.objects.filter(person=olga).exists()
    assert client.post("/settings/notices/", {"read": ["nothing"]}).status_code == 404


def test_a_wish_of_software_is_told_with_whom_it_is_for(client_of: Client, world: World, olga: Person) -> None:
    world.accepted()
    world.may(olga, "approve", "view", "run")
    world.may(world.mira, "approve", by=world.manager())
    bot = new_agent(world, olga)
    world.may(bot, "run", procedure="hello", environments=["staging"])
    rules = {"name": "staging", "title": "Staging", "position": 2, "production": False, "drafts": False}
    more = {"approvals": {"low": {"operations": 1}}, "min_strength": "session", "approval_expiry_s": 3600}
    world.confirmed("environment", {**rules, **more, "reason_required": False})
    assert asker(bot) == f"software {bot} for Olga"
    assert asker(olga) == "Olga"
    run = world.ask(bot, environment="staging")
    told = Notice.objects.get(kind="approval.waits", person=world.mira)
    assert told.facts["actor"] == asker(bot)
    found = client_of(world.mira).get(f"/api/v1/runs/{run.pk}/").json()
    assert (found["requester"], found["asked_by"]) == (bot.username, asker(bot))
    for path in ("/approvals/", "/", "/runs/", f"/runs/{run.pk}/"):
        assert f"software {bot} for Olga" in client_of(world.mira).get(path).content.decode(), path
