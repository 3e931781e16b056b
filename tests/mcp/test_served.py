"""The SDK's client over real HTTP at the real web process, with the real runner: granted, refused, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from django.conf import settings as django_settings
from django.db import connections
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from procedures.domain.clock import now
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services import agents
from tests.factories.agents import new_agent, token_of
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase
from tests.fixtures.serving import free_port, served
from tests.mcp.conftest import OURS

pytestmark = pytest.mark.once


@asynccontextmanager
async def client_at(url: str, secret: str, **more: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp/", http_client=http), **more) as client,
    ):
        yield client


def apart(act: Any, **given: Any) -> None:
    """In a thread, with a connection of its own, as another process would do it."""
    try:
        act(**given)
    finally:
        connections["default"].close()


async def story(url: str, secret: str, world: World, bot: Person) -> None:
    given = {"environment": "development", "reason": "greet", "parameters": {"name": "Ada"}}
    async with client_at(url, secret) as client:
        assert [tool.name for tool in (await client.list_tools()).tools][len(OURS) :] == ["hello"]
        call = asyncio.create_task(client.call_tool("hello", given))
        await asyncio.to_thread(apart, run_what_is_queued)
        answer = await call
        assert answer.structured_content["state"] == "succeeded", answer
        printed = await client.call_tool("run_log", {"run": answer.structured_content["run"]})
        assert "Ada" in printed.content[0].text
        refused = await client.call_tool("disk-cleanup", given)
        assert (refused.is_error, refused.structured_content["code"]) == (True, "access.denied")
        async with client.listen(tools_list_changed=True) as events:
            stop = {"actor": world.mira, "agent": bot.subject, "reason": "enough", "at": now()}
            await asyncio.to_thread(apart, agents.stop, **stop)
            assert type(await asyncio.wait_for(anext(aiter(events)), 20)).__name__ == "ToolsListChanged"
        assert [tool.name for tool in (await client.list_tools()).tools][len(OURS) :] == []
        stopped = await client.call_tool("hello", given)
        assert "was stopped" in stopped.structured_content["message"]


def run_what_is_queued() -> None:
    """The real runner's work, as soon as there is some."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if (row := Run.objects.filter(state="queued").first()) is not None:
            drive(row.pk)
            return
        time.sleep(0.02)


def test_a_client_runs_what_was_granted_is_refused_the_rest_and_hears_that_it_was_stopped(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr(django_settings, "OPSPORTAL_PUBLIC_URL", f"http://localhost:{port}")
    world = new_world()
    world.accepted()
    bot = new_agent(world, world.person("olga"))
    world.may(bot, "run", procedure="hello", environments=["development"])
    secret = token_of(bot)
    with served(fresh_database, port, tmp_path / "web.log") as url:
        asyncio.run(story(url, secret, world, bot))
