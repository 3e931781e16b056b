"""The SDK's own client, over HTTP: refused, let in by a person, at work, with fresh keys, cut off."""

from __future__ import annotations

import asyncio
import re
import time
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from mcp import Client
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from procedures.domain import totp
from procedures.domain.clock import now
from procedures.domain.secrets import Secret
from procedures.models import ApiToken, Person
from procedures.services import codes, tokens
from tests.factories.agents import new_agent
from tests.factories.portal import PASSWORD, World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.serving import free_port, served
from tests.mcp.conftest import OURS
from tests.mcp.test_served import apart, run_what_is_queued
from tests.web.test_step_up import hidden

pytestmark = pytest.mark.once


class Kept(TokenStorage):
    """What the program keeps, in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Owner:
    """A person in a browser without a screen: signs in, reads the page, decides, proves a second factor."""

    def __init__(self, agent: Person, secret: Secret, do: str = "connect") -> None:
        self.agent, self.secret, self.do = str(agent.subject), secret, do
        self.asked = 0
        self._heard: dict[str, list[str]] = {}

    async def goes_to(self, address: str) -> None:
        self.asked += 1
        async with httpx2.AsyncClient(timeout=30) as http:
            there = await http.get(address)
            assert there.status_code == 302, there.text
            login = await http.get(urljoin(address, there.headers["location"]))
            form = carried_all(login.text) | {"username": "olga", "password": PASSWORD}
            back = await http.post(str(login.url), data=form)
            assert back.status_code == 302, back.text
            where = urljoin(address, back.headers["location"])
            page = await http.get(where)
            assert "“test program”" in page.text, page.text
            chosen = carried_all(page.text) | {"agent": self.agent, "days": "7", "do": self.do}
            done = await http.post(where, data=chosen)
            if done.status_code == 403:
                code = totp.code_at(self.secret, int(time.time()) // totp.STEP_S)
                done = await http.post(where, data=carried_all(done.text) | {"totp": code})
            assert done.status_code == 303, re.findall(r"<b>[^<]*|<p>[^<]*", done.text)
            assert done.headers["location"].startswith("http://localhost:41234/callback?")
            self._heard = parse_qs(urlsplit(done.headers["location"]).query)

    async def answer(self) -> AuthorizationCodeResult:
        heard = {name: values[0] for name, values in self._heard.items()}
        return AuthorizationCodeResult(code=heard.get("code", ""), state=heard.get("state"), iss=heard.get("iss"))


def carried_all(html: str) -> dict[str, str]:
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)
    following = re.search(r'name="next"\s+value="([^"]*)"', html)
    return (
        hidden(html)
        | ({"csrfmiddlewaretoken": token[1]} if token else {})
        | ({"next": unescape(following[1])} if following else {})
    )


def program(url: str, kept: Kept, owner: Owner) -> OAuthClientProvider:
    said = OAuthClientMetadata(client_name="test program", redirect_uris=[AnyUrl("http://localhost:41234/callback")])
    return OAuthClientProvider(f"{url}/mcp", said, kept, redirect_handler=owner.goes_to, callback_handler=owner.answer)


async def used(url: str, kept: Kept, owner: Owner) -> tuple[list[str], object, object]:
    """The tools that the program sees; what a granted one and another answer."""
    given = {"environment": "development", "reason": "greet", "parameters": {"name": "Ada"}}
    async with (
        httpx2.AsyncClient(auth=program(url, kept, owner), timeout=30, follow_redirects=True) as http,
        Client(streamable_http_client(f"{url}/mcp/", http_client=http)) as client,
    ):
        names = [tool.name for tool in (await client.list_tools()).tools]
        call = asyncio.create_task(client.call_tool("hello", given))
        await asyncio.to_thread(apart, run_what_is_queued)
        return names, await call, await client.call_tool("disk-cleanup", given)


async def story(url: str, world: World, bot: Person, secret: Secret) -> None:
    kept, owner = Kept(), Owner(bot, secret)
    for asked_so_far in (1, 1):  # the second time with keys that it kept, from which it makes fresh ones
        names, granted, other = await used(url, kept, owner)
        assert names[len(OURS) :] == ["hello"]
        assert granted.structured_content["state"] == "succeeded", granted  # type: ignore[attr-defined]
        assert other.structured_content["code"] == "access.denied"  # type: ignore[attr-defined]
        assert owner.asked == asked_so_far, "nobody is asked twice for one consent"
        assert kept.tokens is not None
        before, kept.tokens = kept.tokens, kept.tokens.model_copy(update={"access_token": "", "expires_in": -1})
    async with httpx2.AsyncClient(timeout=30) as http:
        auth = {"authorization": f"Bearer {before.access_token}"}
        assert (await http.post(f"{url}/mcp/", json={}, headers=auth)).status_code != 401
        await asyncio.to_thread(apart, ended_by_its_owner, bot=bot)
        assert (await http.post(f"{url}/mcp/", json={}, headers=auth)).status_code == 401
    no = Owner(bot, secret, do="refuse")
    kept.tokens = before
    with pytest.raises(BaseException) as refused:  # noqa: PT011 - the SDK wraps it in groups
        await used(url, kept, no)
    assert refused.group_contains(OAuthFlowError, match="No authorization code") or isinstance(
        refused.value, OAuthFlowError
    )
    assert no.asked == 1


def ended_by_its_owner(bot: Person) -> None:
    tokens.revoke_token(actor=bot.owner, token=ApiToken.objects.get(person=bot).pk, at=now())  # type: ignore[arg-type]


def test_a_program_is_connected_works_refreshes_and_is_cut_off(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(django_settings, "OPSPORTAL_PUBLIC_URL", f"http://localhost:{port}")
    world = new_world()
    world.accepted()
    olga = world.person("olga")
    Person.objects.filter(pk=olga.pk).update(password=make_password(PASSWORD))
    bot = new_agent(world, olga)
    world.may(bot, "run", procedure="hello", environments=["development"])
    secret = codes._begin(actor=olga, at=now())
    codes.enrol(actor=olga, code=totp.code_at(secret, int(time.time()) // totp.STEP_S - 1), at=now())
    with served(fresh_database, port, tmp_path / "web.log") as url:
        asyncio.run(story(url, world, bot, secret))
