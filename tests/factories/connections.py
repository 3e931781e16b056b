"""A program that connects to an agent by OAuth, and its owner in a browser that has proved a second factor."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from asgiref.sync import async_to_sync
from django.test import Client

from procedures.domain.clock import now
from procedures.mcp import REGISTER, REVOKE, TOKEN
from procedures.mcp.door import Gate
from procedures.models import AgentClient, OpenSession, Person
from procedures.services.connections import resource

BACKEND = "procedures.access.backend.PasswordBackend"
PORTAL = "http://localhost:8000"
REDIRECT = "http://127.0.0.1/callback"


def sent(method: str, path: str, **more: Any) -> httpx2.Response:
    """One request to the agents' door in this process."""

    async def inside() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=Gate()), base_url=PORTAL) as http:
            return await http.request(method, path, **more)

    return async_to_sync(inside)()


def register(**metadata: Any) -> httpx2.Response:
    return sent("POST", REGISTER, json={"client_name": "Helper", "redirect_uris": [REDIRECT], **metadata})


def program_asking() -> str:
    """The query with which a registered program asks."""
    row = AgentClient.objects.create(name="Helper", redirects=[REDIRECT], registered_at=now())
    program = Program(client=str(row.pk), redirect=REDIRECT)
    return program.asks(resource=resource()).partition("?")[2]


@dataclass
class Program:
    """A registered program with a verifier of its own."""

    client: str = ""
    redirect: str = "http://127.0.0.1:41000/callback"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def __post_init__(self) -> None:
        self.client = self.client or register().json()["client_id"]

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")

    def asks(self, **more: Any) -> str:
        """The page at which the owner decides; None leaves a parameter out."""
        given = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": self.redirect,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
            "resource": f"{PORTAL}/mcp/",
            "state": "s t&ate",
            **more,
        }
        return f"/agents/connect/?{urlencode({k: v for k, v in given.items() if v is not None}, doseq=True)}"

    def changes(self, code: str, **more: Any) -> httpx2.Response:
        """A code for keys."""
        given = {
            "grant_type": "authorization_code",
            "client_id": self.client,
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
            "resource": f"{PORTAL}/mcp/",
            **more,
        }
        return sent("POST", TOKEN, data={k: v for k, v in given.items() if v is not None})

    def refreshes(self, secret: str, **more: Any) -> httpx2.Response:
        given = {"grant_type": "refresh_token", "client_id": self.client, "refresh_token": secret, **more}
        return sent("POST", TOKEN, data=given)

    def revokes(self, secret: str) -> httpx2.Response:
        return sent("POST", REVOKE, data={"client_id": self.client, "token": secret})


def browser(person: Person, *, proved: bool = True) -> Client:
    """Somebody signed in, with a second factor of just now unless not `proved`."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(person, backend=BACKEND)
    client.get("/settings/")  # the session gets its row
    if proved:
        OpenSession.objects.filter(person=person).update(proved="totp", proved_at=now())
    return client


def says(program: Program, person: Person, agent: Person, do: str = "connect", **more: Any) -> dict[str, str]:
    """What the program hears once the person decided, by the query of the address that the browser goes to."""
    form = {"agent": str(agent.subject), "days": "7", "do": do}
    answer = browser(person).post(program.asks(**more), form)
    assert answer.status_code == 303, answer.content.decode()
    where = urlsplit(answer["Location"])
    assert where._replace(query="").geturl() == more.get("redirect_uri", program.redirect)
    return {name: values[0] for name, values in parse_qs(where.query, strict_parsing=True).items()}


def connected(program: Program, agent: Person) -> dict[str, Any]:
    """The keys of a program that this agent's owner let in."""
    assert agent.owner is not None
    answer = program.changes(says(program, agent.owner, agent)["code"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
