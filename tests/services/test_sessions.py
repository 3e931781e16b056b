"""Sessions end by time, by their person and by a manager; storms of wrong passwords keep nobody out for good."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.module_loading import import_string

from opsportal.settings import base
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.evidence.models import Event
from procedures.models import DenialCount, OpenSession, Person
from procedures.services import open_sessions, sessions
from procedures.services.sessions import ACCOUNT_TRIES, TRIES
from tests.factories.portal import PASSWORD, World


def browser(address: str = "192.0.2.1", agent: str = "Firefox") -> Client:
    return Client(REMOTE_ADDR=address, HTTP_USER_AGENT=agent)


def sign_in(client: Client, username: str = "mira", password: str = PASSWORD) -> int:
    return client.post("/login/", {"username": username, "password": password}).status_code


def age(**by: Any) -> None:
    """As if everything about the open sessions had happened that much earlier."""
    back = timedelta(**by)
    for row in OpenSession.objects.filter(ended_at__isnull=True):
        moved = {"began_at": row.began_at - back, "seen_at": row.seen_at - back, "until_at": row.until_at - back}
        OpenSession.objects.filter(pk=row.pk).update(**moved)


def alive(client: Client) -> bool:
    return client.get("/api/v1/me/").status_code == 200


def test_a_session_that_is_not_used_ends_and_so_does_one_that_is(world: World, settings: Any) -> None:
    client = browser()
    assert sign_in(client) == 302
    for _ in range(settings.OPSPORTAL_SESSION_HOURS - 1):
        age(minutes=settings.OPSPORTAL_SESSION_IDLE_MIN - 1)
        assert alive(client)
    age(hours=2)
    OpenSession.objects.update(seen_at=now())
    assert not alive(client), "used, but its time is over"
    idle = browser()
    sign_in(idle)
    age(minutes=settings.OPSPORTAL_SESSION_IDLE_MIN)
    assert not alive(idle)
    whys = [json.loads(bytes(e.body))["why"] for e in Event.objects.filter(kind="session.ended").order_by("id")]
    assert whys == ["its time is over", "not used"]


def test_the_command_line_s_session_lives_eight_hours_without_idling(world: World) -> None:
    client = browser(agent="python-httpx")
    body = json.dumps({"username": "mira", "password": PASSWORD})
    assert client.post("/api/v1/session/", body, content_type="application/json").status_code == 200
    row = OpenSession.objects.get()
    assert (row.kind, row.until_at - row.began_at, row.device) == ("cli", timedelta(hours=8), "python-httpx")
    age(hours=7)
    assert alive(client)
    age(hours=1)
    assert not alive(client)


def test_a_session_key_of_before_the_sign_in_is_worth_nothing_after_it(world: World) -> None:
    """Session fixation: the victim signs in with a session key that the attacker planted."""
    attacker = browser()
    attacker.get("/login/")
    session = attacker.session
    session["planted"] = True
    session.save()
    planted = str(session.session_key)
    attacker.cookies["sessionid"] = planted
    victim = browser()
    victim.cookies["sessionid"] = planted
    assert sign_in(victim) == 302
    assert victim.cookies["sessionid"].value != planted
    assert alive(victim)
    assert not alive(attacker)


def test_one_sees_and_ends_the_own_sessions_and_a_manager_those_of_others(world: World) -> None:
    quinn = world.person("quinn")
    Person.objects.filter(pk=quinn.pk).update(password=world.mira.password)
    first, second, mira = browser("192.0.2.1"), browser("192.0.2.2", "Chrome \x1b[31m"), browser()
    assert [sign_in(one, "quinn") for one in (first, second)] == [302, 302]
    sign_in(mira)
    rows = first.get("/api/v1/sessions/").json()["results"]
    assert {(row["address"], row["current"]) for row in rows} == {("192.0.2.1", True), ("192.0.2.2", False)}
    assert "\x1b" not in json.dumps(rows)
    assert "192.0.2.2" in first.get("/settings/").content.decode()
    own = OpenSession.objects.get(person=world.mira)
    assert first.delete(f"/api/v1/sessions/{own.pk}/").status_code == 404
    assert first.get(f"/api/v1/sessions/?of={world.mira.subject}").status_code == 403
    assert first.delete("/api/v1/sessions/").json() == {"ended": 1}
    assert (alive(first), alive(second)) == (True, False)
    assert mira.delete(f"/api/v1/sessions/?of={quinn.subject}").json() == {"ended": 1}
    assert not alive(first)
    with pytest.raises(NotFound):
        open_sessions.end_session(actor=quinn, session=own.pk, at=now())
    mira.post("/logout/")
    assert not open_sessions.live(world.mira, now()).exists()


def storm(world: World, count: int = ACCOUNT_TRIES) -> None:
    minute = now().replace(second=0, microsecond=0)
    for number in range(0, count, TRIES):
        verb = f"sign_in 198.51.100.{number}"
        DenialCount.objects.create(person=world.mira, verb=verb, door="web", minute=minute, count=TRIES)


def test_a_storm_from_everywhere_slows_strange_addresses_and_not_the_owner_s(world: World) -> None:
    assert sign_in(browser("192.0.2.1")) == 302
    storm(world)
    assert sign_in(browser("203.0.113.9")) == 429
    assert sign_in(browser("192.0.2.1")) == 302
    DenialCount.objects.update(minute=now() - timedelta(minutes=11))
    assert sign_in(browser("203.0.113.9")) == 302, "it ends by itself"


def test_a_manager_lets_in_whom_a_storm_keeps_out(world: World) -> None:
    nora = world.person("nora")
    storm(world)
    with pytest.raises(NotAllowed):
        sessions.let_in(actor=nora, person=world.mira.subject, at=now())
    world.may(nora, "manage_access")
    sessions.let_in(actor=nora, person=world.mira.subject, at=now())
    storm(world)
    assert sign_in(browser("203.0.113.9")) == 302
    assert Event.objects.filter(kind="session.let_in", actor=nora.subject).exists()


@pytest.mark.once
def test_passwords_are_hashed_by_argon2_and_by_nothing_weaker() -> None:
    assert base.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    hasher = import_string(base.PASSWORD_HASHERS[0])()
    kept = hasher.encode(PASSWORD, hasher.salt())
    assert kept.startswith("argon2$argon2id$")
    assert hasher.memory_cost >= 19 * 1024
    assert hasher.verify(PASSWORD, kept)
