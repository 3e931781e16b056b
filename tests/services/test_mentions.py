"""`@name` in a version's discussion: who may see the version is told, nobody else is, and the writer learns of whom."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Notice, Person, ReviewComment, Version
from procedures.services import discussions
from tests.factories.agents import new_agent
from tests.factories.portal import World
from tests.factories.reviews import hello, sent

pytestmark = pytest.mark.ordinary
BACKEND = "procedures.access.backend.PasswordBackend"


def say(who: Person, version: Version, body: str) -> ReviewComment:
    return discussions.comment(actor=who, version=version.pk, path="procedure.yaml", line=10, body=body, at=now())


def client_of(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    return client


def test_who_may_see_the_version_is_told_once_where_it_was_said(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    viewer = world.person("vera")
    world.may(viewer, "view")
    made = say(panel["olga"], version, "@sven, @vera and @sven again; mail@adam @olga: is this right?")
    assert (set(made.mentions), made.untold) == ({str(panel["sven"].subject), str(viewer.subject)}, [])
    rows = Notice.objects.filter(kind="review.mentioned")
    assert {(row.person.username, row.path) for row in rows} == {
        (name, f"/reviews/{version.pk}/#t-{made.pk}") for name in ("sven", "vera")
    }
    assert all("right" not in str(row.facts) for row in rows)
    assert json.loads(bytes(Event.objects.get(kind="review.commented").body))["mentions"] == made.mentions


def test_who_may_not_see_it_is_not_told_looks_like_nobody_and_the_writer_alone_learns_it(
    world: World, panel: dict[str, Any]
) -> None:
    version = sent(world, hello())
    for name in ("stranger", "gone"):
        world.person(name)
    Person.objects.filter(username="gone").update(is_active=False)
    bot = new_agent(world, world.person("owner"))
    world.may(bot, "view", environments=["development"])
    names = ["stranger", "gone", bot.username, "nobody-at-all"]
    made = say(panel["olga"], version, " ".join(f"@{name}" for name in names))
    assert (made.mentions, made.untold) == ([], names)
    assert not Notice.objects.filter(kind="review.mentioned").exists()
    place = f"/api/v1/versions/{version.pk}/comments/"
    told = {who: client_of(panel[who]).get(place).json()["results"][0]["comments"][0] for who in ("olga", "sven")}
    assert (told["olga"]["not_told"], told["sven"]["not_told"]) == (names, [])
    pages = {who: client_of(panel[who]).get(f"/reviews/{version.pk}/").content.decode() for who in ("olga", "sven")}
    assert "Not told: @stranger, @gone" in pages["olga"]
    assert "Not told" not in pages["sven"]


def test_an_answer_in_an_older_thread_leads_to_the_version_in_review(world: World, panel: dict[str, Any]) -> None:
    first = say(panel["olga"], sent(world, hello()), "Why hi?")
    second = sent(world, hello(word="other"))
    adam = Person.objects.get(username="adam")
    discussions.reply(actor=adam, thread=first.pk, body="@sven: is it better so?", at=now())
    notice = Notice.objects.get(kind="review.mentioned")
    assert (notice.person, notice.path) == (panel["sven"], f"/reviews/{second.pk}/#t-{first.pk}")
    assert notice.facts["number"] == "2"


def test_a_flood_of_names_tells_ten(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    for number in range(12):
        world.may(world.person(f"p{number}"), "view")
    made = say(panel["olga"], version, " ".join(f"@p{number}" for number in range(12)))
    assert (len(made.mentions), made.untold) == (10, ["p10", "p11"])
