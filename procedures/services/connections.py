"""A program asks to act as an agent, and the agent's owner says yes or no on a page (OAuth's authorization request)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.domain import clients, software
from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.evidence.record import record
from procedures.models import AgentClient, Connection, Person
from procedures.services.step_up import RECENT, StepUpNeeded, strength_of_caller
from procedures.services.unit import thing

NOT_HERE = "is no program that is registered here, or not any more"


class AskedWrongly(InvalidInput):
    """A program's request to be connected is not one that could be granted; nobody is sent anywhere."""

    code = "connection.asked-wrongly"
    next_step = "Nothing was connected, and nothing was sent to the program. Start again from the program itself."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a program asks for, in order: `verbs` are among those that software may have."""

    client: AgentClient
    redirect: str
    challenge: str
    state: str
    verbs: tuple[str, ...]


def issuer() -> str:
    return str(settings.OPSPORTAL_PUBLIC_URL)


def resource() -> str:
    """What a token of the agents' door is for (RFC 8707)."""
    return f"{settings.OPSPORTAL_PUBLIC_URL}/mcp/"


def is_ours(asked: str) -> bool:
    """Whether a resource indicator means the agents' door, with or without its last stroke."""
    return asked in {resource(), resource().rstrip("/")}


def mark(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def wish_of(query: Mapping[str, list[str]]) -> Wish:
    """The request that this query makes; each parameter at most once. Raises AskedWrongly, for nothing may be guessed.

    What is wrong is told to the person and never to the program: it registered itself, so sending a browser on to it
    without a person's word would make of the portal a signpost to anywhere (RFC 9700, 4.11.2).
    """
    problems = [(f"/{name[:40]}", "is given more than once") for name, values in query.items() if len(values) > 1]
    given = {name: values[0] for name, values in query.items() if values}
    client = client_of(given.get("client_id", ""))
    if problems or client is None:
        raise AskedWrongly(problems or [("/client_id", NOT_HERE)])
    redirect = given.get("redirect_uri", "")
    if not clients.is_registered(client.redirects, redirect):
        raise AskedWrongly([("/redirect_uri", "is not an address that this program registered")])
    if given.get("response_type") != "code":
        problems.append(("/response_type", "is not code"))
    if given.get("code_challenge_method") != "S256":
        problems.append(("/code_challenge_method", "is not S256"))
    if not clients.CHALLENGE.fullmatch(given.get("code_challenge", "")):
        problems.append(("/code_challenge", "is no SHA-256 in base64url"))
    if not is_ours(given.get("resource", "")):
        problems.append(("/resource", f"is not {resource()}"))
    if len(given.get("state", "")) > clients.LONGEST_STATE:
        problems.append(("/state", f"is longer than {clients.LONGEST_STATE} characters"))
    verbs = tuple(dict.fromkeys(given.get("scope", "").split())) or software.MAY
    if set(verbs) - set(software.MAY):
        problems.append(("/scope", f"holds more than {', '.join(software.MAY)}"))
    if problems:
        raise AskedWrongly(problems)
    return Wish(client, redirect, given["code_challenge"], given.get("state", ""), tuple(sorted(verbs)))


def client_of(text: str) -> AgentClient | None:
    """The program that registered under this id."""
    try:
        return AgentClient.objects.filter(pk=UUID(text)).first()
    except ValueError:
        return None


@thing
def consent(*, actor: Person, wish: Wish, agent: UUID, days: int, at: datetime, bearer: bool = False) -> str:
    """Let this program act as an own agent, and give the address that the browser goes to next, with a code in it.

    Raises NotAllowed, StepUpNeeded, InvalidInput.
    """
    row = _own(actor, agent, bearer=bearer)
    if not AgentClient.objects.select_for_update().filter(pk=wish.client.pk).exists():
        raise AskedWrongly([("/client_id", NOT_HERE)])
    if not 1 <= days <= clients.DAYS:
        raise InvalidInput([("/days", f"1 to {clients.DAYS}")])
    proof = strength_of_caller(actor, at)
    if not proof.enough:
        raise StepUpNeeded(
            f"A second factor of the last {RECENT.seconds // 60} minutes is needed: a program gets a key of your agent."
        )
    code, until = secrets.token_urlsafe(32), at + timedelta(days=days)
    made = Connection.objects.create(
        client=wish.client,
        agent=row,
        made_by=actor,
        verbs=list(wish.verbs),
        redirect=wish.redirect,
        challenge=wish.challenge,
        code_sha256=mark(code),
        code_until_at=at + clients.CODE,
        made_at=at,
        until_at=until,
    )
    facts: dict[str, Any] = {
        "connection": str(made.pk),
        "client": str(wish.client.pk),
        "name": wish.client.name,
        "redirect": wish.redirect,
        "agent": str(row.subject),
        "verbs": list(wish.verbs),
        "until": moment(until),
        "second_factor": {"strength": proof.strength, "at": moment(proof.at) if proof.at else ""},
    }
    record("connection.made", actor=actor.subject, at=at, facts=facts)
    return _answer(wish, code=code)


@thing
def refuse(*, actor: Person, wish: Wish, at: datetime) -> str:
    """Say no to a program, and give the address at which it hears so."""
    facts = {
        "client": str(wish.client.pk),
        "name": wish.client.name,
        "redirect": wish.redirect,
        "why": "a person said no",
    }
    record("connection.refused", actor=actor.subject, at=at, facts=facts)
    return _answer(wish, error="access_denied")


def _own(actor: Person, agent: UUID, *, bearer: bool) -> Person:
    call = access.calling(actor)
    if bearer or (call is not None and call.scope is not None):
        raise NotAllowed("A bearer token connects no program: sign in for that.")
    kinds = {"owner": actor, "kind": Person.Kind.AGENT, "is_active": True}
    row = Person.objects.select_for_update(of=("self",)).filter(subject=agent, **kinds).first()
    if row is None or actor.kind != Person.Kind.PERSON:
        raise NotAllowed("Only the owner of an agent connects a program to it.")
    return row


def _answer(wish: Wish, **facts: str) -> str:
    """`iss` tells a program which portal answered, so that no other one takes its place (RFC 9207)."""
    state = {"state": wish.state} if wish.state else {}
    return clients.answered(wish.redirect, **facts, **state, iss=issuer())
