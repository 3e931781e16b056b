"""The agents' door in this process, and the SDK's own client at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
import pytest
from asgiref.sync import async_to_sync
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from procedures.mcp.door import Gate
from procedures.mcp.tools import ACTING, LOOKING
from procedures.models import Person
from tests.factories.agents import new_agent, token_of
from tests.factories.portal import World, new_world
from tests.fixtures.settled import Settled

T = TypeVar("T")
OURS = [tool.name for tool in (*LOOKING, *ACTING)]
URL = "http://localhost:8000/mcp/"


@pytest.fixture
def world(db: None, settled: Settled) -> World:
    return settled(with_an_agent)


def with_an_agent() -> World:
    world = new_world()
    world.accepted()
    bot = new_agent(world, world.person("olga"))
    world.may(bot, "run", procedure="hello", environments=["development"])
    return world


@pytest.fixture
def bot(world: World) -> Person:
    """An agent that may run hello in development, and nothing else."""
    return Person.objects.get(kind=Person.Kind.AGENT)


@asynccontextmanager
async def connected(secret: str, **more: Any) -> AsyncIterator[Client]:
    """The SDK's client, over HTTP into this process."""
    gate = Gate()
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gate), headers=headers) as http,
        Client(streamable_http_client(URL, http_client=http), **more) as client,
    ):
        yield client
    await ended(gate)


async def ended(gate: Gate) -> None:
    if gate._started is not None:
        gate._started[2].cancel()
        await asyncio.gather(gate._started[2], return_exceptions=True)


def called(agent: Person, name: str, given: dict[str, Any], **more: Any) -> Any:
    """What one tool answers to this agent."""

    async def act(client: Client) -> Any:
        return await client.call_tool(name, given)

    return at_the_door(agent, act, **more)


def at_the_door(agent: Person, act: Callable[[Client], Awaitable[T]], secret: str = "", **more: Any) -> T:
    """What a client of this agent gets; Django's work happens in this thread, in the test's transaction."""
    given = secret or token_of(agent)

    async def inside() -> T:
        async with connected(given, **more) as client:
            return await act(client)

    return async_to_sync(inside)()
