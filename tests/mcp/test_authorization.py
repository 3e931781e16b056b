"""Each way to get an agent's key without its owner's word is tried, and each ends at a refusal (H33, H38)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from procedures.domain import clients
from procedures.domain.clock import now
from procedures.domain.software import MAY
from procedures.evidence.models import Event
from procedures.mcp import METADATA, SERVER, TOKEN
from procedures.models import AgentClient, ApiToken, Connection, Person, RefreshToken
from procedures.services import agents, connection_keys, connections, leavers, tokens
from tests.factories.agents import agent_object, new_agent
from tests.factories.connections import PORTAL, Program, connected, says, sent
from tests.factories.portal import World
from tests.mcp.test_gate import knocks

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _address(settings: Any) -> None:
    settings.OPSPORTAL_PUBLIC_URL = PORTAL


def told(kind: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(event.body)) for event in Event.objects.filter(kind=kind).order_by("id")]


def opens(secret: str) -> bool:
    return knocks(secret)[0].status_code == 200


def test_a_program_finds_its_way_from_the_refusal_to_every_address() -> None:
    (refused,) = knocks("")
    where = refused.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
    assert urlsplit(where).path in METADATA
    for path in METADATA:
        door = sent("GET", path).json()
        assert (door["resource"], door["authorization_servers"]) == (f"{PORTAL}/mcp/", [PORTAL])
    server = sent("GET", SERVER).json()
    assert (server["issuer"], server["code_challenge_methods_supported"]) == (PORTAL, ["S256"])
    assert (server["response_types_supported"], server["token_endpoint_auth_methods_supported"]) == (["code"], ["none"])
    assert set(server["grant_types_supported"]) == {"authorization_code", "refresh_token"}
    assert server["authorization_endpoint"] == f"{PORTAL}/agents/connect/"
    assert server["authorization_response_iss_parameter_supported"] is True


def test_an_owner_says_no_or_yes_and_the_whole_chain_is_evidence(world: World, bot: Person) -> None:
    program = Program()
    heard = says(program, bot.owner, bot, do="refuse")
    assert (heard["error"], heard["iss"], "code" in heard) == ("access_denied", PORTAL, False)
    assert told("connection.refused")[0]["why"] == "a person said no"
    assert not Connection.objects.exists()
    heard = says(program, bot.owner, bot)
    assert (heard["state"], heard["iss"]) == ("s t&ate", PORTAL)
    keys = program.changes(heard["code"]).json()
    assert (keys["token_type"], keys["expires_in"]) == ("Bearer", clients.ACCESS.total_seconds())
    assert set(keys["scope"].split()) == set(MAY)
    assert opens(keys["access_token"])
    row = ApiToken.objects.get()
    assert (row.person, row.made_by, row.audience) == (bot, bot.owner, "mcp")
    assert keys["access_token"] not in str(vars(row))
    (made,) = told("connection.made")
    assert (made["actor"], made["agent"]) == (str(bot.owner.subject), str(bot.subject))
    assert (made["redirect"], made["second_factor"]["strength"]) == (program.redirect, "totp")
    assert told("token.made")[0]["connection"] == made["connection"]


def test_a_program_that_is_forgotten_between_the_page_and_the_word_gets_nothing(world: World, bot: Person) -> None:
    program = Program()
    wish = connections.wish_of(parse_qs(program.asks().partition("?")[2]))
    AgentClient.objects.all().delete()
    caller = {"actor": bot.owner, "wish": wish, "agent": bot.subject, "days": 1, "at": now()}
    with pytest.raises(connections.AskedWrongly, match="not any more"):
        connections.consent(**caller)
    assert not Connection.objects.exists()


def test_a_code_is_good_once_and_the_second_time_ends_what_it_opened(world: World, bot: Person) -> None:
    program = Program()
    code = says(program, bot.owner, bot)["code"]
    keys = program.changes(code).json()
    again = program.changes(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert not opens(keys["access_token"])
    assert program.refreshes(keys["refresh_token"]).json()["error"] == "invalid_grant"
    assert told("connection.ended")[0]["why"] == told("connection.refused")[0]["why"] == "its code came twice"


def test_a_code_that_comes_again_before_the_first_was_answered_opens_nothing(world: World, bot: Person) -> None:
    program = Program()
    given = {"client": AgentClient.objects.get().pk, "code": says(program, bot.owner, bot)["code"]}
    first = connection_keys.claim_code(**given, at=now())
    assert first is not None
    assert connection_keys.claim_code(**given, at=now()) is None
    assert connection_keys.open_connection(connection=first.pk, at=now()) is None
    assert not ApiToken.objects.exists()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another verifier": ({"code_verifier": "x" * 43}, "invalid_grant"),
    "the challenge itself": ({"code_verifier": "the challenge"}, "invalid_grant"),
    "another address": ({"redirect_uri": "http://127.0.0.1:41001/callback"}, "invalid_request"),
    "no address": ({"redirect_uri": None}, "invalid_request"),
    "another program": ({"client_id": "another"}, "invalid_grant"),
}


def test_a_stolen_code_opens_nothing_and_is_used_up(world: World, bot: Person) -> None:
    program, other = Program(), Program()
    known = {
        "another program": {"client_id": other.client},
        "the challenge itself": {"code_verifier": program.challenge},
    }
    for how, (given, error) in WRONG.items():
        code = says(program, bot.owner, bot)["code"]
        answer = program.changes(code, **known.get(how, given))
        assert (answer.status_code, answer.json()["error"]) == (400, error), how
        assert told("connection.refused")[-1]["connection"] == str(Connection.objects.latest("made_at").pk)
        assert program.changes(code).status_code == 400, f"{how}: it was used up"
    assert not ApiToken.objects.exists()


def test_what_is_malformed_costs_no_code(world: World, bot: Person) -> None:
    program = Program()
    code = says(program, bot.owner, bot)["code"]
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"code_verifier": None}, 400, "invalid_request"),
        ({"resource": f"{PORTAL}/api/"}, 400, "invalid_target"),
        ({"resource": "https://other.example/mcp/"}, 400, "invalid_target"),
        ({"code_verifier": ["a", program.verifier]}, 400, "invalid_request"),
        ({"client_id": "00000000-0000-7000-8000-000000000000"}, 401, "invalid_client"),
        ({"client_id": "x"}, 401, "invalid_client"),
        ({"client_secret": "guess"}, 401, "invalid_client"),
        ({"grant_type": "password", "username": "olga", "password": "x"}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
    ]
    for given, status, error in wrong:
        answer = program.changes(code, **given)
        assert (answer.status_code, answer.json()["error"]) == (status, error), given
        assert answer.headers["cache-control"] == "no-store"
    assert program.changes(code).status_code == 200
    assert sent("GET", TOKEN).status_code == 405
    assert sent("POST", TOKEN, content=b"x" * 70_000).status_code == 413


def test_a_code_is_good_for_a_minute_and_for_an_agent_that_still_is_its_owner_s(world: World, bot: Person) -> None:
    def late(row: Connection) -> None:
        Connection.objects.filter(pk=row.pk).update(code_until_at=now())

    def closed(row: Connection) -> None:
        Person.objects.filter(pk=bot.pk).update(is_active=False)

    def given_away(row: Connection) -> None:
        Person.objects.filter(pk=bot.pk).update(owner=world.mira, is_active=True)

    program, owner = Program(), bot.owner
    for change in (late, closed, given_away):
        code = says(program, owner, bot)["code"]
        assert Connection.objects.get(token=None, code_used_at=None).code_until_at <= now() + timedelta(seconds=60)
        change(Connection.objects.get(code_used_at=None))
        assert program.changes(code).json()["error"] == "invalid_grant", change.__name__
        Person.objects.filter(pk=bot.pk).update(is_active=True, owner=owner)
    assert not ApiToken.objects.exists()


def test_a_refresh_changes_both_keys_and_never_lasts_longer_than_the_consent(world: World, bot: Person) -> None:
    program = Program()
    first = connected(program, bot)
    second = program.refreshes(first["refresh_token"], resource=f"{PORTAL}/mcp/").json()
    assert (opens(first["access_token"]), opens(second["access_token"])) == (False, True)
    assert ApiToken.objects.count() == 1, "one connection, one token in the chain of its runs"
    Connection.objects.update(until_at=now() + timedelta(minutes=5))
    third = program.refreshes(second["refresh_token"]).json()
    assert third["expires_in"] <= 300
    Connection.objects.update(made_at=now() - timedelta(days=8), until_at=now())
    assert program.refreshes(third["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_that_comes_twice_ends_its_family(world: World, bot: Person) -> None:
    program = Program()
    stolen = connected(program, bot)["refresh_token"]
    mine = program.refreshes(stolen).json()
    assert program.refreshes(stolen).json()["error"] == "invalid_grant"
    assert not opens(mine["access_token"])
    assert program.refreshes(mine["refresh_token"]).json()["error"] == "invalid_grant"
    (ended,) = told("connection.ended")
    assert (ended["why"], ended["actor"]) == (connection_keys.TWICE, str(bot.subject))


def test_two_refreshes_at_once_and_one_by_another_program_end_it_too(world: World, bot: Person) -> None:
    """Both were looked up before either was used."""
    program = Program()
    secret = connected(program, bot)["refresh_token"]
    given = {"client": AgentClient.objects.get().pk, "secret": secret, "at": now()}
    rows = [connection_keys.refresh_token_of(**given) for _ in range(2)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert connection_keys.refreshed(row=rows[0].pk, verbs=["run"], at=now()) is not None
    assert connection_keys.refreshed(row=rows[1].pk, verbs=["run"], at=now()) is None
    assert told("connection.ended")[0]["why"] == connection_keys.TWICE
    keys = connected(program, bot)
    assert Program().refreshes(keys["refresh_token"]).json()["error"] == "invalid_grant"
    assert not opens(keys["access_token"])


def test_a_refresh_narrows_and_never_widens(world: World, bot: Person) -> None:
    program = Program()
    keys = program.changes(says(program, bot.owner, bot, scope="view run")["code"]).json()
    assert keys["scope"] == "run view"
    wider = program.refreshes(keys["refresh_token"], scope="run view read_output")
    assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope")
    narrow = program.refreshes(keys["refresh_token"], scope="view").json()
    assert ApiToken.objects.get().verbs == ["view"]
    back = program.refreshes(narrow["refresh_token"], scope="view run").json()
    assert back["scope"] == "run view"
    row = RefreshToken.objects.get(used_at=None)
    assert connection_keys.refreshed(row=row.pk, verbs=["cancel"], at=now()) is None


def test_whatever_ends_a_token_ends_its_connection_at_the_next_request(world: World, bot: Person) -> None:
    def by_its_owner() -> None:
        tokens.revoke_token(actor=bot.owner, token=ApiToken.objects.latest("created_at").pk, at=now())

    def given_to_another() -> None:
        made = agent_object(world.person("otto"), "helper-bot", agent=str(bot.subject))
        assert world.confirmed("agent", made).state == "confirmed"

    def owner_left() -> None:
        leavers.close_person(actor=world.mira, person=Person.objects.get(pk=bot.pk).owner.subject, at=now())

    program, owner = Program(), bot.owner
    ways: list[Callable[[], None]] = [by_its_owner, owner_left, given_to_another]
    for end in ways:
        Person.objects.filter(pk=owner.pk).update(is_active=True)
        Person.objects.filter(pk=bot.pk).update(is_active=True)
        keys = connected(program, Person.objects.get(pk=bot.pk))
        assert opens(keys["access_token"])
        end()
        assert not opens(keys["access_token"]), end.__name__
        assert program.refreshes(keys["refresh_token"]).json()["error"] == "invalid_grant", end.__name__


def test_a_stopped_agent_gets_fresh_keys_that_open_no_tool(world: World, bot: Person) -> None:
    program = Program()
    keys = connected(program, bot)
    agents.stop(actor=bot.owner, agent=bot.subject, reason="wild", at=now())
    fresh = program.refreshes(keys["refresh_token"]).json()
    assert opens(fresh["access_token"])
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    head = {"authorization": f"Bearer {fresh['access_token']}", "accept": "application/json, text/event-stream"}
    assert "hello" not in sent("POST", "/mcp/", json=call, headers=head).text


def test_a_program_ends_its_own_connection_by_either_key_and_no_other_one_s(world: World, bot: Person) -> None:
    for name in ("access_token", "refresh_token"):
        program = Program()
        keys = connected(program, bot)
        assert Program().revokes(keys[name]).status_code == 200
        assert opens(keys["access_token"]), "another program's word counts for nothing"
        assert program.revokes("ops_unknown").status_code == 200
        assert program.revokes(keys[name]).status_code == 200
        assert not opens(keys["access_token"])
        assert program.revokes(keys[name]).status_code == 200
    assert [row["why"] for row in told("connection.ended")] == ["ended by its program"] * 2
    assert program.revokes("").status_code == 400


def test_a_connection_opens_the_agents_door_and_no_other_and_is_not_changed_by_hand(world: World, bot: Person) -> None:
    keys = connected(Program(), bot)
    with pytest.raises(tokens.TokenOver, match="whose program changes it"):
        tokens.rotate_token(actor=bot.owner, token=ApiToken.objects.get().pk, overlap_h=1, at=now())
    for secret in (keys["access_token"], keys["refresh_token"]):
        assert APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}").get("/api/v1/me/").status_code == 401
    assert not opens(keys["refresh_token"])


def test_an_unknown_agent_s_connections_are_its_own(world: World, bot: Person) -> None:
    """Two agents of one owner, one program: ending one leaves the other."""
    other = new_agent(world, bot.owner, "other-bot")
    program = Program()
    keys = [connected(program, agent) for agent in (bot, other)]
    tokens.revoke_token(actor=bot.owner, token=ApiToken.objects.get(person=bot).pk, at=now())
    assert [opens(one["access_token"]) for one in keys] == [False, True]
