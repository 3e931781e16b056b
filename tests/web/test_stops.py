"""Stop switches on pages: a form that was sent half filled in stops nothing, and home never calls open what is not."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.models import Stop
from tests.web.town import Town

pytestmark = pytest.mark.django_db


def throw(client: Client, **posted: str) -> str:
    return client.post("/stops/throw/", {"reason": "a leak", **posted}, follow=True).content.decode()


def test_only_whoever_chooses_everything_stops_the_whole_portal(town: Town) -> None:
    aisha = town.client("aisha")
    assert "choose an environment, or everything" in throw(aisha, environment="", procedure=" ")
    assert "choose one of the two" in throw(aisha, environment="*", procedure="hello")
    assert not Stop.objects.exists()
    assert "Stopped: the whole portal." in throw(aisha, environment="*")
    assert Stop.objects.get().what == "the whole portal"


def test_home_says_of_an_environment_that_it_is_stopped(town: Town) -> None:
    aisha = town.client("aisha")
    before = aisha.get("/").content.decode()
    throw(aisha, environment="production")
    after = aisha.get("/").content.decode()
    assert (before.count(">Stopped<"), before.count("Open</span>")) == (0, 3)
    assert (after.count("Stopped</span>"), after.count("Open</span>")) == (1, 2)
