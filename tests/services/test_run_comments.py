"""Comments on a run: who may say something, who is told, and that it decides nothing."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound
from procedures.evidence.models import Event
from procedures.models import Notice, Person, Run, RunComment
from procedures.services import run_comments
from procedures.services.run_comments import RunDiscussionFull, comment_run
from tests.engine.test_runs import procedure, run_it, shell
from tests.factories.portal import World

pytestmark = [pytest.mark.django_db, pytest.mark.ordinary]


def done(world: World) -> tuple[Person, Run]:
    quinn = procedure(world, "plain", shell("one", "true"))
    return quinn, run_it(world, quinn, "plain")


def say(who: Person, run: Run, body: str) -> RunComment:
    return comment_run(actor=who, run=run.pk, body=body, at=now())


def test_who_may_see_a_run_says_something_also_once_it_is_sealed(world: World) -> None:
    quinn, run = done(world)
    vera = world.person("vera")
    world.may(vera, "view", procedure="plain")
    made = say(vera, run, "  why so slow?\r\n")
    assert (made.body, run.comments.get()) == ("why so slow?", made)
    event = Event.objects.get(kind="run.commented")
    assert b"why so slow" not in bytes(event.body)
    assert say(quinn, run, "the disk").run == run
    with pytest.raises(NotFound):
        say(world.person("stranger"), run, "hello")
    for body in ("", "   ", "a\x00b", "x" * 4001):
        with pytest.raises(InvalidInput):
            say(quinn, run, body)
    assert run.comments.count() == 2


def test_who_is_mentioned_and_may_see_the_run_is_told_once(world: World) -> None:
    quinn, run = done(world)
    vera, _ = world.person("vera"), world.person("stranger")
    world.may(vera, "view", procedure="plain")
    made = say(quinn, run, "@vera, @vera. and @stranger, mail@vera @nobody @runner-plain: look (@vera)")
    assert (made.mentions, made.untold) == ([str(vera.subject)], ["stranger", "nobody"])
    notice = Notice.objects.get(kind="run.mentioned")
    assert (notice.person, notice.path) == (vera, f"/runs/{run.pk}/#said")
    assert "look" not in str(notice.facts)


def test_a_flood_of_names_tells_ten_and_a_full_run_takes_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quinn, run = done(world)
    for number in range(12):
        world.may(world.person(f"p{number}"), "view", procedure="plain")
    made = say(quinn, run, " ".join(f"@p{number}" for number in range(12)))
    assert (len(made.mentions), made.untold) == (10, ["p10", "p11"])
    monkeypatch.setattr(run_comments, "MOST", 1)
    with pytest.raises(RunDiscussionFull):
        say(quinn, run, "one more")


def test_the_page_the_api_and_what_is_refused(world: World, client: Client) -> None:
    quinn, run = done(world)
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    hostile = "<script>alert(1)</script> \u202eabc"
    assert client.post(f"/runs/{run.pk}/comments/", {"body": hostile}).status_code == 302
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "<script>alert" not in page
    assert "\u202e" not in page
    empty = client.post(f"/runs/{run.pk}/comments/", {"body": " "})
    assert (empty.status_code, b"say something" in empty.content) == (422, True)
    place = f"/api/v1/runs/{run.pk}/comments/"
    made = client.post(place, {"body": "by the API, @noone"}, content_type="application/json")
    assert (made.status_code, made.json()["not_told"]) == (201, ["noone"]), made.content
    assert "Not told: @noone" in client.get(f"/runs/{run.pk}/").content.decode()
    rows = client.get(place).json()["results"]
    assert [(row["author"], row["by_software"]) for row in rows] == [("runner-plain", False)] * 2
