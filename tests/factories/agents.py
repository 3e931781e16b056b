"""Agents, made as a portal makes them: by a signed control change of somebody who does not gain."""

from __future__ import annotations

from typing import Any

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.software import MAY
from procedures.models import ApiToken, Person
from procedures.services import tokens
from tests.factories.portal import World


def agent_object(owner: Person, name: str = "helper-bot", runs_an_hour: int = 10, **more: Any) -> dict[str, Any]:
    named = {"agent": str(uuid7()), "username": name, "name": name.title(), "owner": str(owner.subject)}
    return {**named, "runs_an_hour": runs_an_hour, **more}


def new_agent(world: World, owner: Person, name: str = "helper-bot", runs_an_hour: int = 10) -> Person:
    """An agent without any right, which asks for `owner`."""
    change = world.confirmed("agent", agent_object(owner, name, runs_an_hour))
    assert change.state == "confirmed"
    return Person.objects.get(username=name)


def token_of(agent: Person, audience: ApiToken.Audience = ApiToken.Audience.MCP) -> str:
    owner = agent.owner
    assert owner is not None
    reach = tokens.Reach(verbs=MAY, audience=audience)
    _, secret = tokens.make_token(actor=owner, name="its key", days=1, at=now(), person=agent.subject, reach=reach)
    return secret
