"""Passwords beside single sign-on, a command line without a password, and accounts that may be one person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Identity, OneTimeLink, OpenSession, Person
from procedures.services import people
from tests.factories.portal import PASSWORD, World
from tests.signon.test_groups import provider

pytestmark = pytest.mark.once
BACKEND = "procedures.access.backend.IdentityBackend"


def page(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    return client


def posted(path: str, body: dict[str, Any]) -> Any:
    return Client(HTTP_HOST="localhost").post(path, json.dumps(body), content_type="application/json")


def by_password(username: str) -> tuple[int, int]:
    """What the page and the API answer to a true password."""
    typed = {"username": username, "password": PASSWORD}
    answer = Client(HTTP_HOST="localhost").post("/login/", typed)
    return answer.status_code, posted("/api/v1/session/", typed).status_code


def test_local_passwords_are_switched_off_by_a_signed_change_and_nobody_is_locked_out(world: World) -> None:
    with pytest.raises(InvalidInput, match="no identity provider"):
        world.confirmed("local_sign_in", {"local": "off"})
    world.confirmed("identity_provider", provider())
    assert by_password("mira") == (302, 200)
    row, path = people.invite_person(actor=world.mira, username="zoe", name="Zoe", email="", at=now())
    world.confirmed("local_sign_in", {"local": "off"})
    assert by_password("mira") == (403, 403)
    assert 'name="password"' not in Client(HTTP_HOST="localhost").get("/login/").content.decode()
    joined = Client(HTTP_HOST="localhost")
    assert joined.post(path, {"password": PASSWORD}).status_code == 403, "an invitation is no way around it"
    assert "_auth_user_id" not in joined.session
    assert OneTimeLink.objects.get(person=row).used_at is None
    world.confirmed("identity_provider", provider(action="end"))
    assert by_password("mira") == (302, 200), "without a provider passwords are the only way in"


def test_in_an_emergency_passwords_open_it_for_who_may_break_glass_alone(world: World) -> None:
    world.confirmed("identity_provider", provider())
    world.confirmed("local_sign_in", {"local": "break-glass"})
    eve = world.person("eve")
    eve.set_password(PASSWORD)
    eve.save()
    assert by_password("eve") == (403, 403)
    world.may(eve, "break_glass")
    assert by_password("eve") == (302, 200)


def test_a_code_of_the_page_brings_the_command_line_in_once_and_soon(world: World) -> None:
    ann = world.person("ann")
    html = page(ann).post("/cli-login/").content.decode()
    code = html.split("data-copy-me>")[1].split("<")[0]
    assert code not in page(ann).get("/cli-login/").content.decode()
    answer = posted("/api/v1/session/code/", {"code": code})
    assert (answer.status_code, answer.json()["username"]) == (200, "ann")
    assert OpenSession.objects.get(person=ann, kind="cli").ended_at is None
    assert posted("/api/v1/session/code/", {"code": code}).status_code == 409, "once"
    late = page(ann).post("/cli-login/").content.decode().split("data-copy-me>")[1].split("<")[0]
    OneTimeLink.objects.filter(used_at=None).update(expires_at=now())
    assert posted("/api/v1/session/code/", {"code": late}).status_code == 409, "soon"
    _, path = people.invite_person(actor=world.mira, username="zoe", name="Zoe", email="", at=now())
    assert posted("/api/v1/session/code/", {"code": path.split("/")[2]}).status_code == 409, "an invitation is no code"
    closed = page(ann).post("/cli-login/").content.decode().split("data-copy-me>")[1].split("<")[0]
    Person.objects.filter(pk=ann.pk).update(is_active=False)
    assert posted("/api/v1/session/code/", {"code": closed}).status_code == 403


def test_accounts_that_share_a_mail_a_name_or_a_key_are_told_to_managers_and_auditors_alone(world: World) -> None:
    world.confirmed("identity_provider", provider(title="<i>Corp</i>"))
    one, two, three = (world.person(name) for name in ("max", "max.m", "xmm"))
    Person.objects.filter(pk=one.pk).update(email="Max@example.com", name="Max  Muster")
    Person.objects.filter(pk=two.pk).update(email="", name="max muster")
    Identity.objects.create(
        person=three, provider_id="corp", subject="m", email="max+ops@example.com", name="<b>M</b>", linked_at=now()
    )
    rows = page(world.mira).get("/api/v1/people/same/").json()["results"]
    assert rows == [
        {"by": "mail", "value": "max@example.com", "people": ["max", "xmm"]},
        {"by": "name", "value": "max muster", "people": ["max", "max.m"]},
    ]
    html = page(world.mira).get("/people/sign-in/").content.decode()
    assert "the same mail: max@example.com" in html
    assert "&lt;i&gt;Corp" in html
    for path in ("/people/sign-in/", "/api/v1/people/same/"):
        assert page(one).get(path).status_code == 403
