"""The answers on page, API and as a file: for whom they are, and what a formula in a reason becomes."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.answers.registers import REGISTERS
from procedures.models import Grant, Person
from tests.factories.portal import World

pytestmark = pytest.mark.once
BACKEND = "procedures.access.backend.PasswordBackend"
API = ("/api/v1/access/holders/", "/api/v1/access/drift/", "/api/v1/access/separation/", "/api/v1/access/people/mira/")
API += tuple(f"/api/v1/evidence/registers/{name}/" for name in REGISTERS)
PAGES = ("who", "drift", "separation", *REGISTERS)


def client_of(person: Person) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    return client


@pytest.fixture
def ada(world: World) -> Person:
    world.accepted()
    person = world.person("ada")
    world.may(person, "audit")
    return person


def test_managers_and_auditors_are_answered_and_others_only_about_themselves(world: World, ada: Person) -> None:
    stranger = world.person("sam")
    for path in API:
        assert client_of(stranger).get(path).status_code == 403, path
        assert client_of(ada).get(path).status_code == 200, path
    own = client_of(stranger).get("/api/v1/access/people/sam/")
    assert (own.status_code, own.json()["results"]) == (200, [])
    for kind in PAGES:
        assert client_of(stranger).get(f"/access/answers/{kind}/").status_code == 403
        assert client_of(world.mira).get(f"/access/answers/{kind}/").status_code == 200
    assert client_of(stranger).get("/access/answers/person/").status_code == 200
    assert client_of(stranger).get("/access/answers/person/?person=mira").status_code == 403
    assert client_of(ada).get("/access/answers/person/?person=nobody").status_code == 404
    assert client_of(ada).get("/access/answers/else/").status_code == 404


def test_a_wrong_question_names_its_field(ada: Person) -> None:
    client = client_of(ada)
    for query, pointer in (
        ("verb=fly", "/verb"),
        ("procedure=none", "/procedure"),
        ("environment=moon", "/environment"),
        ("as_of=soon", "/as_of"),
    ):
        problem = client.get(f"/api/v1/access/holders/?{query}").json()
        assert [one["pointer"] for one in problem["errors"]] == [pointer]


def test_a_reason_that_is_a_formula_stays_text_in_the_file(world: World, ada: Person) -> None:
    quinn = world.person("quinn")
    grant = world.may(quinn, "run", procedure="hello", reason='=HYPERLINK("http://evil.example","pay")')
    assert Grant.objects.get(pk=grant.pk).reason.startswith("=")
    answer = client_of(ada).get("/access/answers/who/?verb=run&procedure=hello&as=csv")
    assert answer["Content-Type"].startswith("text/csv")
    lines = answer.content.decode().splitlines()
    assert any("quinn" in line for line in lines)
    assert not any(cell.startswith("=") for line in lines for cell in line.split(","))
    assert "'=HYPERLINK" in answer.content.decode()
    page = client_of(ada).get("/access/answers/who/?verb=run&procedure=hello").content.decode()
    assert '<a href="http://evil' not in page
