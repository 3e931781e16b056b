"""How a directory is let in on pages and over REST: its token is told once, to whoever manages access."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from procedures.models import ApiToken, Person
from tests.factories.directories import provider
from tests.factories.portal import World
from tests.scim.conftest import Directory

pytestmark = pytest.mark.once
HERE = "/people/sign-in/"


def page_of(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend="procedures.access.backend.IdentityBackend")
    return client


def test_the_page_tells_of_each_directory_makes_its_token_once_and_ends_it(world: World) -> None:
    world.confirmed("identity_provider", provider("plain", directory=False))
    page = page_of(world.mira)
    assert "Make a directory" not in page.get(HERE).content.decode()
    world.confirmed("identity_provider", provider())
    html = page.get(HERE).content.decode()
    assert "vouches for people (SAML), pushes them and their groups over SCIM" in html
    assert "No token: nothing can be pushed." in html
    made = page.post(f"{HERE}token/", {"provider": "corp", "name": "Okta", "days": "9"})
    assert made.status_code == 201
    (secret,) = re.findall(r"ops_[0-9A-Za-z]{46}", made.content.decode())
    corp = Directory(secret)
    corp.group("eng", corp.user("ann"))
    html = page.get(HERE).content.decode()
    assert "1 person and 1 group pushed over SCIM" in html
    assert secret not in html
    row = ApiToken.objects.get(audience="scim")
    assert page.post(f"{HERE}token/", {"revoke": str(row.pk)}).status_code == 302
    assert corp("GET", "/Users").status_code == 401
    for wrong in ({"provider": "corp", "name": "", "days": "9"}, {"provider": "corp", "name": "x", "days": "nine"}):
        assert page.post(f"{HERE}token/", wrong).status_code == 422
    assert page.post(f"{HERE}token/", {"provider": "plain", "name": "x", "days": "9"}).status_code == 409
    assert page.post(f"{HERE}token/", {"revoke": "x"}).status_code == 404
    assert not ApiToken.objects.filter(audience="scim", revoked_at=None).exists()


def test_rest_tells_managers_and_auditors_and_makes_tokens_for_managers(
    world: World, let_in: Callable[..., Directory]
) -> None:
    let_in()
    ines, eve = world.person("ines"), world.person("eve")
    world.may(ines, "audit")
    wish = {"provider": "corp", "name": "Okta", "days": 9}
    doors = {name: page_of(person) for name, person in (("mira", world.mira), ("ines", ines), ("eve", eve))}
    assert {name: door.get("/api/v1/directories/").status_code for name, door in doors.items()} == {
        "mira": 200,
        "ines": 200,
        "eve": 403,
    }
    made = {
        name: door.post("/api/v1/directories/", wish, content_type="application/json").status_code
        for name, door in doors.items()
    }
    assert made == {"mira": 201, "ines": 403, "eve": 403}
    (row,) = doors["ines"].get("/api/v1/directories/").json()["results"]
    assert (row["provider"], row["address"], len(row["tokens"])) == ("corp", "http://localhost:8000/scim/v2", 2)
    wrong = doors["mira"].post("/api/v1/directories/", {"provider": "corp"}, content_type="application/json")
    assert wrong.status_code in {400, 422}
