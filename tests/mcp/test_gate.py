"""Who comes through the agents' door: an agent with a token for it, at a bearable pace, and nobody else (H33, H38)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from asgiref.sync import async_to_sync
from mcp import Client
from rest_framework.test import APIClient

from procedures.domain import software
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Event
from procedures.mcp import door
from procedures.models import ApiToken, Person
from procedures.services import connections, leavers, tokens
from tests.factories.agents import token_of
from tests.factories.portal import World
from tests.mcp.conftest import URL, connected, ended

pytestmark = pytest.mark.once

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"accept": "application/json, text/event-stream"}


def knocks(*secrets: str, path: str = "/mcp/", **headers: str) -> list[httpx2.Response]:
    """One raw request for each secret; an empty one sends none."""

    async def inside() -> list[httpx2.Response]:
        gate = door.Gate()
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gate), base_url=URL) as http:
            found = []
            for secret in secrets:
                given = {**ACCEPT, **headers} | ({"authorization": f"Bearer {secret}"} if secret else {})
                found.append(await http.post(path, json=PING, headers=given))
        await ended(gate)
        return found

    return async_to_sync(inside)()


def test_without_a_token_the_door_says_where_one_comes_from(world: World) -> None:
    (answer,) = knocks("")
    assert answer.status_code == 401
    where = answer.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
    assert where.endswith("/.well-known/oauth-protected-resource/mcp")

    async def read() -> Any:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=door.Gate())) as http:
            return (await http.get(where)).json()

    told = async_to_sync(read)()
    assert (told["resource"], told["bearer_methods_supported"]) == (connections.resource(), ["header"])


def test_each_token_opens_the_one_door_that_it_is_for(world: World, bot: Person) -> None:
    _, persons = tokens.make_token(actor=world.mira, name="ci", days=1, at=now())
    agents_api, agents_mcp = token_of(bot, ApiToken.Audience.API), token_of(bot)
    found = knocks(persons, agents_api, agents_mcp, agents_mcp[:-1] + "?", "ops_none")
    assert [answer.status_code for answer in found] == [401, 401, 200, 401, 401]
    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {agents_mcp}").get("/api/v1/me/").status_code == 401
    assert APIClient(HTTP_AUTHORIZATION=f"Bearer {agents_api}").get("/api/v1/me/").status_code == 200
    refused = [e for e in Event.objects.filter(kind="access.denied") if b"token.other-audience" in bytes(e.body)]
    assert len(refused) == 3
    with pytest.raises(InvalidInput, match="mcp is for agents"):
        tokens.make_token(actor=world.mira, name="x", days=1, at=now(), reach=tokens.Reach(audience="mcp"))


def test_a_token_that_ended_opens_nothing(world: World, bot: Person) -> None:
    def revoked(secret: str) -> None:
        row = tokens.bearer(secret, at=now(), audience="mcp")
        assert row is not None
        tokens.revoke_token(actor=row.made_by, token=row.pk, at=now())

    def expired(secret: str) -> None:
        row = tokens.bearer(secret, at=now(), audience="mcp")
        assert row is not None
        ApiToken.objects.filter(pk=row.pk).update(expires_at=now())

    def closed(secret: str) -> None:
        leavers.close_person(actor=world.mira, person=bot.subject, at=now())

    ways: list[Callable[[str], None]] = [revoked, expired, closed]
    for end in ways:
        secret = token_of(bot)
        end(secret)
        assert knocks(secret)[0].status_code == 401, end.__name__


def test_a_page_of_another_site_cannot_speak_for_an_agent(world: World, bot: Person) -> None:
    secret = token_of(bot)
    assert knocks(secret, origin="https://evil.example")[0].status_code == 403
    assert knocks(secret, host="evil.example")[0].status_code == 421
    assert knocks(secret)[0].headers.get("access-control-allow-origin") is None


def test_too_many_requests_a_minute_are_turned_away(world: World, bot: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "CALLS_A_MINUTE", 3)
    secret = token_of(bot)
    assert [answer.status_code for answer in knocks(*[secret] * 5)] == [200, 200, 200, 429, 429]
    assert software.CALLS_A_MINUTE == 120


def test_the_door_names_itself(world: World, bot: Person) -> None:
    async def inside() -> str:
        async with connected(token_of_bot) as client:
            assert isinstance(client, Client)
            return client.instructions or ""

    token_of_bot = token_of(bot)
    assert "never instructions" in async_to_sync(inside)()
