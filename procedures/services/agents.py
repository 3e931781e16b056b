"""Agents: made and owned by people through a control change, held to a budget, stopped by one hand (H38)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures import access
from procedures.access.agents import ALL_STOPPED, all_stopped
from procedures.domain import software
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound
from procedures.evidence.record import record
from procedures.models import Agent, ControlChange, Person, PortalSetting, Run
from procedures.services.accounts import put_in_hands
from procedures.services.unit import thing

EVERY = "*"


class BudgetSpent(NotAllowed):
    """An agent asked for as many runs as its hour, or its minute, holds."""

    code = "agent.budget-spent"
    next_step = "Wait; an access manager may raise the hourly budget of this agent."
    counted_as = "request_run"


class NeedsAPerson(NotAllowed):
    """What is asked needs something that software never hands over."""

    code = "agent.needs-a-person"
    next_step = "Ask a person to do this on the procedure's page."
    counted_as = "request_run"


class AlreadySo(IllegalState):
    """The agent is stopped already, or was not."""

    code = "agent.already-so"
    next_step = "Look at the list of agents."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an agent's control object may not say."""
    found = []
    if not Person.objects.filter(subject=object["owner"], kind=Person.Kind.PERSON, is_active=True).exists():
        found.append(("/object/owner", "is no person who could stand behind an agent"))
    known = Person.objects.filter(subject=object["agent"]).first()
    if known is not None and (known.kind != Person.Kind.AGENT or known.username != object["username"]):
        found.append(("/object/agent", "is somebody else's subject, or the name was changed"))
    if Person.objects.filter(username=object["username"]).exclude(subject=object["agent"]).exists():
        found.append(("/object/username", "is taken"))
    return found


def grant_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A grant to an agent names its environments, and no verb that is a person's alone."""
    if not _is_agent(object["principal"]):
        return []
    found = [
        (f"/object/verbs/{index}", f"software may {', '.join(software.MAY)}; {verb} is a person's alone")
        for index, verb in enumerate(object["verbs"])
        if verb not in software.MAY
    ]
    if not object["environments"]:
        found.append(("/object/environments", "a grant to an agent names each environment"))
    return found


def duty_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    agent = object["action"] == "add" and _is_agent(object["principal"])
    return [("/object/principal", "software fills no duty")] if agent else []


def _is_agent(principal: str) -> bool:
    kind, _, name = principal.partition(":")
    return kind == "person" and Person.objects.filter(subject=name, kind=Person.Kind.AGENT).exists()


def put_in_force(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The account and its budget, as a confirmed change says. Called by control_effects alone."""
    person = put_in_hands(change, Person.Kind.AGENT, object["agent"], object, at)
    Agent.objects.update_or_create(
        person=person,
        defaults={"runs_an_hour": object["runs_an_hour"]},
        create_defaults={"runs_an_hour": object["runs_an_hour"], "since_at": at},
    )


@thing
def stop(*, actor: Person, agent: UUID | None, reason: str, at: datetime) -> None:
    """From this instant an agent (None: every agent) may do nothing, and what it asked for ends.

    Its owner, access managers and operators may; a token too, since it only takes away. Raises NotAllowed, NotFound.
    """
    row = None if agent is None else _one(agent)
    _manages(actor, at, stopping=True, mine=row is not None and row.person.owner_id == actor.pk)
    if row is None:
        if all_stopped():
            raise AlreadySo("All agents are stopped already.")
        PortalSetting.objects.update_or_create(name=ALL_STOPPED, defaults={"value": True, "since_at": at})
    elif not Agent.objects.filter(pk=row.pk, stopped_at__isnull=True).update(stopped_at=at):
        raise AlreadySo(f"{row.person.username} is stopped already.")
    _note("agent.stopped", actor, row, reason, at)


@thing
def start(*, actor: Person, agent: UUID | None, reason: str, at: datetime, bearer: bool = False) -> None:
    """Let an agent (None: all that were not stopped one by one) ask again. An access manager's, never its owner's."""
    if bearer:
        raise NotAllowed("A bearer token starts no agent: sign in for that.")
    row = None if agent is None else _one(agent)
    _manages(actor, at, stopping=False, mine=False)
    if row is not None and row.person.owner_id == actor.pk:
        raise NotAllowed("You stand behind this agent, so another access manager starts it again.")
    if row is None:
        if not PortalSetting.objects.filter(pk=ALL_STOPPED, value=True).update(value=False, since_at=at):
            raise AlreadySo("Agents are not stopped.")
    elif not Agent.objects.filter(pk=row.pk, stopped_at__isnull=False).update(stopped_at=None):
        raise AlreadySo(f"{row.person.username} is not stopped.")
    _note("agent.started", actor, row, reason, at)


def _one(agent: UUID) -> Agent:
    row = Agent.objects.select_for_update(of=("self",)).select_related("person").filter(person__subject=agent).first()
    if row is None:
        raise NotFound("There is no such agent.")
    return row


def _manages(actor: Person, at: datetime, *, stopping: bool, mine: bool) -> None:
    if stopping and (access.decide(actor, "operate", at=at).allowed or mine):
        return
    access.require(actor, "manage_access", at=at)


def _note(kind: str, actor: Person, row: Agent | None, reason: str, at: datetime) -> None:
    if not reason.strip() or len(reason) > 200:
        raise InvalidInput([("/reason", "1 to 200 characters")])
    who = EVERY if row is None else str(row.person.subject)
    record(kind, actor=actor.subject, at=at, facts={"agent": who, "reason": reason})


def stopped(agent: int) -> bool:
    """Whether the agent with this account, or every agent, is stopped."""
    return Agent.objects.filter(pk=agent, stopped_at__isnull=False).exists() or all_stopped()


def within_budget(actor: Person, at: datetime) -> None:
    """Refuse what is over an agent's hour or minute; two requests at once are counted one after the other."""
    row = Agent.objects.select_for_update().get(person=actor)
    asked = Run.objects.filter(requester=actor)
    hour = asked.filter(requested_at__gt=at - timedelta(hours=1)).count()
    if hour >= row.runs_an_hour:
        raise BudgetSpent(f"{actor.username} asked for {hour} runs within an hour; {row.runs_an_hour} are its budget.")
    minute = asked.filter(requested_at__gt=at - timedelta(minutes=1)).count()
    if minute >= software.RUNS_A_MINUTE:
        raise BudgetSpent(f"{actor.username} asked for {minute} runs within a minute; that is the limit.")


def no_secrets(actor: Person, procedure: str, wanted: Mapping[str, Any] | None, given: Mapping[str, str]) -> None:
    """Software hands no secret over, and asks for nothing that needs one. Raises NeedsAPerson."""
    if actor.kind != Person.Kind.AGENT:
        return
    if given:
        raise NeedsAPerson("Software hands over no secrets: what it knows, its model's makers and its logs know too.")
    if names := sorted((wanted or {}).get("required", [])):
        raise NeedsAPerson(f"{procedure} needs secrets ({', '.join(names)}), which a person types on its page.")
