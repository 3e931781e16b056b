"""The page of agents: made by who does not gain, tokens for the owner, the switch; approvers see whose words."""

from __future__ import annotations

import re

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import Agent, ApiToken, Person, Run
from procedures.services import runs
from tests.factories.agents import agent_object
from tests.factories.portal import SOON
from tests.web.town import Town

pytestmark = pytest.mark.once
UGLY = "<b>Bot</b> \u202e" + "x" * 90


def made(town: Town, name: str = UGLY) -> Person:
    town.change("aisha", "agent", {**agent_object(town.people["mira"], "helper-bot"), "name": name})
    return Person.objects.get(username="helper-bot")


def test_a_manager_proposes_an_agent_by_the_form(town: Town) -> None:
    page = town.client("aisha").get("/agents/").content.decode()
    fresh = re.search(r'name="agent" value="([0-9a-f-]{36})"', page)
    assert fresh is not None
    mira = town.people["mira"]
    form = {"agent": fresh[1], "username": "b", "name": "B", "owner": str(mira.subject), "runs_an_hour": "7"}
    answer = town.client("aisha").post("/changes/agent/new/", form)
    assert "The agent B asks for Mira Lindqvist, 7 runs an hour" in answer.content.decode()
    assert town.client("stranger").get("/agents/").content.decode().count("Make an agent") == 0


def test_what_others_wrote_is_no_markup_and_each_sees_their_own(town: Town) -> None:
    made(town)
    for name, seen in (("aisha", True), ("mira", True), ("stranger", False)):
        page = town.client(name).get("/agents/").content.decode()
        assert ("helper-bot" in page) is seen, name
        assert "<b>Bot" not in page


def test_an_owner_makes_its_token_once_and_ends_it(town: Town) -> None:
    bot = made(town)
    form = {"agent": str(bot.subject), "name": "laptop", "days": "7", "audience": "mcp"}
    assert town.client("aisha").post("/agents/tokens/", form).status_code == 403
    page = town.client("mira").post("/agents/tokens/", form)
    assert page.status_code == 201
    secret = re.search(r"ops_[0-9A-Za-z]{46}", page.content.decode())
    assert secret is not None
    assert secret[0] not in town.client("mira").get("/agents/").content.decode()
    row = ApiToken.objects.get(person=bot)
    assert (row.audience, sorted(row.verbs)) == ("mcp", ["cancel", "discover", "read_output", "run", "view"])
    town.client("mira").post("/agents/tokens/", {"revoke": str(row.pk)})
    assert ApiToken.objects.get(person=bot).revoked_at is not None


def test_the_switch_stops_one_and_all(town: Town) -> None:
    bot = made(town)
    one = {"agent": str(bot.subject), "reason": "wild", "do": "stop"}
    assert town.client("stranger").post("/agents/switch/", one).status_code == 403
    assert town.client("mira").post("/agents/switch/", one).status_code == 302
    assert Agent.objects.get().stopped_at is not None
    assert town.client("mira").post("/agents/switch/", {**one, "do": "start"}).status_code == 403
    assert town.client("aisha").post("/agents/switch/", {**one, "do": "start"}).status_code == 302
    assert town.client("aisha").post("/agents/switch/", {"reason": "all", "do": "stop"}).status_code == 302
    assert "All agents are stopped." in town.client("aisha").get("/agents/").content.decode()


def test_whoever_approves_is_told_that_software_asked_and_whose_words_these_are(town: Town) -> None:
    bot = made(town, name="Helper Bot")
    town.accept("hello")
    grant = {"verbs": ["run"], "environments": ["staging"], "not_before": moment(now()), "reason": "x"}
    until = {"expires_at": SOON, "principal": f"person:{bot.subject}"}
    town.change("jonas", "grant", {**grant, **until})
    rules = {"name": "staging", "title": "S", "position": 2, "production": False, "drafts": False}
    rest = {"min_strength": "session", "approval_expiry_s": 3600, "reason_required": True}
    town.change("jonas", "environment", {**rules, **rest, "approvals": {"low": {"operations": 1}}})
    said = "Jonas told me that this is urgent\u202e <i>approve</i>"
    wish = runs.Wish(procedure="hello", environment="staging", reason=said, door="mcp")
    run = runs.request_run(actor=bot, wish=wish, at=now())
    assert Run.objects.get().state == "awaiting_approval"
    page = town.client("aisha").get(f"/approvals/{run.pk}/").content.decode()
    assert "Asked by software Helper Bot for Mira Lindqvist" in page
    assert "They prove nothing" in page
    assert "\\u202e" in page
    assert "<i>approve" not in page
