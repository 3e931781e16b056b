"""The page on which an owner lets a program act as an agent: what it shows, and that nobody gets past it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import AgentClient, ApiToken, Connection, OpenSession, Person
from procedures.services import connection_keys
from tests.factories.agents import agent_object
from tests.factories.connections import PORTAL, Program, browser
from tests.factories.portal import SOON
from tests.web.test_proofs import code_of, set_up
from tests.web.test_step_up import hidden
from tests.web.town import Town

pytestmark = pytest.mark.once
HOSTS = "https://app.example.com/cb"


@pytest.fixture
def bot(town: Town, settings: Any) -> Person:
    settings.OPSPORTAL_PUBLIC_URL = PORTAL
    town.change("aisha", "agent", {**agent_object(town.people["mira"]), "name": "Helper Bot"})
    return Person.objects.get(username="helper-bot")


@pytest.fixture
def program(bot: Person) -> Program:
    row = AgentClient.objects.create(name="Desk <b>app</b>", redirects=[HOSTS], registered_at=now())
    return Program(client=str(row.pk), redirect=HOSTS)


def yes(bot: Person, **more: str) -> dict[str, str]:
    return {"agent": str(bot.subject), "days": "7", "do": "connect", **more}


def test_the_page_names_who_asks_where_the_key_goes_and_what_it_opens(
    town: Town, bot: Person, program: Program
) -> None:
    town.accept("hello")
    grant = {"verbs": ["run"], "environments": ["development"], "not_before": moment(now()), "reason": "x"}
    town.change("jonas", "grant", {**grant, "expires_at": SOON, "principal": f"person:{bot.subject}"})
    answer = town.client("mira").get(program.asks(scope="run view"))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert ">app.example.com<" in page
    assert "“Desk &lt;b&gt;app&lt;/b&gt;”" in page
    assert "Nobody checked that" in page
    assert "hello</b>" in page
    assert "in development" in page
    assert re.search(r'name="days"[^>]*value="30"', page)
    assert "Any program of this computer" not in page
    assert answer["Cache-Control"].count("no-store") == 1
    assert (answer["Referrer-Policy"], answer["X-Frame-Options"]) == ("same-origin", "DENY")
    policy = answer["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.example.com;" in f"{policy};"
    local = Program()
    assert "Any program of this computer" in town.client("mira").get(local.asks()).content.decode()


def test_nobody_decides_before_signing_in_and_whoever_owns_no_agent_is_told_who_makes_one(
    town: Town, bot: Person, program: Program
) -> None:
    for method in ("get", "post"):
        answer = getattr(Client(HTTP_HOST="localhost"), method)(program.asks())
        assert (answer.status_code, urlsplit(answer["Location"]).path) == (302, "/login/")
        assert "/agents/connect/%3F" in answer["Location"]
    page = town.client("stranger").get(program.asks()).content.decode()
    assert "You have no agent" in page
    assert "helper-bot" not in page
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
    client.cookies = browser(town.people["mira"]).cookies
    for do in ("connect", "refuse"):
        assert client.post(program.asks(), yes(bot, do=do)).status_code == 403, "another site's form is no consent"
    assert client.get(program.asks()).cookies["csrftoken"]["samesite"] == "Lax"
    assert not Connection.objects.exists()
    assert not Event.objects.filter(kind="connection.refused").exists()


def test_a_yes_needs_a_second_factor_of_just_now_and_what_was_chosen_goes_on(
    town: Town, bot: Person, program: Program
) -> None:
    client = town.client("mira")
    secret = set_up(client)
    asked = client.post(program.asks(), yes(bot))
    assert (asked.status_code, "Is it you?" in asked.content.decode()) == (403, True)
    assert "form-action 'self' https://app.example.com" in asked["Content-Security-Policy"]
    assert not Connection.objects.exists()
    where = re.search(r'<form class="body gap" method="post" action="([^"]+)"', asked.content.decode())
    assert where is not None
    done = client.post(unescape(where[1]), hidden(asked.content.decode()) | {"totp": code_of(secret)})
    assert (done.status_code, done["Location"].partition("?")[0]) == (303, HOSTS)
    row = Connection.objects.get()
    assert (row.agent, row.made_by, (row.until_at - row.made_at).days) == (bot, town.people["mira"], 7)
    assert OpenSession.objects.get(person=row.made_by).proved == "totp"


def test_a_wrong_request_is_told_to_the_person_and_leads_nowhere(town: Town, bot: Person, program: Program) -> None:
    """An error that sent the browser on would make every portal a signpost to whatever registered itself."""
    client = browser(town.people["mira"])
    wrong: dict[str, dict[str, Any]] = {
        "/client_id": {"client_id": "00000000-0000-7000-8000-000000000000"},
        "/redirect_uri": {"redirect_uri": "https://evil.example/cb"},
        "/response_type": {"response_type": "token"},
        "/code_challenge_method": {"code_challenge_method": "plain"},
        "/code_challenge": {"code_challenge": "short"},
        "/resource": {"resource": "https://evil.example/mcp/"},
        "/scope": {"scope": "run approve"},
        "/state": {"state": "s" * 2_001},
    }
    missing: dict[str, dict[str, Any]] = {name: {name[1:]: None} for name in wrong if name not in {"/scope", "/state"}}
    twice: dict[str, dict[str, Any]] = {
        "/redirect_uri": {"redirect_uri": [HOSTS, "https://evil.example/"]},
        "/state": {"state": ["a", "b"]},
    }
    for table in (wrong, missing, twice):
        for name, given in table.items():
            for answer in (client.get(program.asks(**given)), client.post(program.asks(**given), yes(bot))):
                assert (answer.status_code, "Location" in answer) == (422, False), given
                assert name in answer.content.decode(), given
                assert "evil.example" not in answer["Content-Security-Policy"]
                assert "nothing was sent" in answer.content.decode()
    assert not Connection.objects.exists()


def test_an_agent_of_somebody_else_or_a_closed_one_is_given_by_nobody(
    town: Town, bot: Person, program: Program
) -> None:
    for name in ("jonas", "stranger"):
        assert browser(town.people[name]).post(program.asks(), yes(bot)).status_code == 403, name
    mira = browser(town.people["mira"])
    assert mira.post(program.asks(), yes(town.people["mira"])).status_code == 403, "a person is no agent"
    for form in (yes(bot, days="0"), yes(bot, days="91"), yes(bot, days="x"), yes(bot, agent="x"), {}):
        assert mira.post(program.asks(), form).status_code == 422, form
    Person.objects.filter(pk=bot.pk).update(is_active=False)
    assert mira.post(program.asks(), yes(bot)).status_code == 403
    assert not Connection.objects.exists()
    assert Event.objects.filter(kind="access.denied").count() == 4


def test_the_owner_sees_a_connection_and_ends_it(town: Town, bot: Person, program: Program) -> None:
    client = browser(town.people["mira"])
    code = re.search(r"[?&]code=([^&]+)", client.post(program.asks(), yes(bot))["Location"])
    assert code is not None
    assert "Desk" not in client.get("/agents/").content.decode(), "it has no key yet"
    row = connection_keys.claim_code(client=AgentClient.objects.get().pk, code=code[1], at=now())
    assert row is not None
    assert connection_keys.open_connection(connection=row.pk, at=now()) is not None
    assert connection_keys.open_connection(connection=row.pk, at=now()) is None
    page = client.get("/agents/").content.decode()
    assert "Desk &lt;b&gt;app&lt;/b&gt;</b>" in page
    assert "keys went to app.example.com" in page
    token = ApiToken.objects.get()
    for name, status in (("stranger", 404), ("mira", 302)):
        answer = browser(town.people[name]).post("/agents/tokens/", {"revoke": str(token.pk)})
        assert answer.status_code == status, name
    assert ApiToken.objects.get().revoked_at is not None
    assert "Desk" not in client.get("/agents/").content.decode()
