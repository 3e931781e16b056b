"""Through what a person acts in this request: a token narrows what its owner may, in every decision (H20).

The door's authentication says it once; `decide`, `visible` and `within` ask. It is bound to one person, so that what is
asked about others in the same request is not narrowed. Without a caller (scheduler, claim) nothing is.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from procedures.access import agents
from procedures.domain.tokens import VERBS
from procedures.models import Person


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is for. Empty `procedures` or `environments`: all that its owner may."""

    token: UUID
    name: str
    maker: Person
    procedures: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset(VERBS)

    def refusal(self, verb: str, procedure: str | None, environment: str | None) -> str:
        """Why this token does not cover a question, or an empty string. Whoever may anything there may discover it."""
        doing = verb.replace("_", " ")
        if verb not in VERBS:
            return f"A bearer token alone never lets anybody {doing}: sign in for that (token {self.name!r})."
        if verb not in self.verbs and verb != "discover":
            return f"The token {self.name!r} is for {', '.join(sorted(self.verbs))}, and not to {doing}."
        if self.procedures and procedure not in self.procedures:
            what = procedure or "the whole portal"
            return f"The token {self.name!r} is for {', '.join(sorted(self.procedures))}, and not for {what}."
        if self.environments and environment is not None and environment not in self.environments:
            return f"The token {self.name!r} is for {', '.join(sorted(self.environments))}, and not for {environment}."
        return ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, by which token or session, and when a second factor was last proved, how strongly.

    `workload` is for a short token that a trusted issuer's identity was exchanged for.
    """

    person: int
    scope: Scope | None = None
    session: UUID | None = None
    kind: str = ""
    proved: str = "session"
    proved_at: datetime | None = None
    workload: bool = False
    more: dict[str, str] = field(default_factory=dict)


caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def calling(actor: Person | None) -> Caller | None:
    """How this very person calls, or None where they do not call at all."""
    found = caller.get()
    return found if found is not None and actor is not None and found.person == actor.pk else None


def scope_of(actor: Person | None) -> Scope | None:
    found = calling(actor)
    return found.scope if found is not None else None


def outside(actor: Person | None, verb: str, procedure: str | None, environment: str | None) -> str:
    """Why the token in use does not cover this, or an empty string; empty too where no token is used."""
    scope = scope_of(actor)
    return scope.refusal(verb, procedure, environment) if scope is not None else ""


def withheld(actor: Person, verb: str, procedure: str | None, environment: str | None = None) -> str:
    """Why what somebody has by ownership, and not by a grant, may not be used now, or an empty string.

    The token in use is not for it, or an agent was stopped: what is its own is then no longer in its hands.
    """
    if narrow := outside(actor, verb, procedure, environment):
        return narrow
    return agents.refusal(actor, verb) if actor.kind == Person.Kind.AGENT else ""


def within(actor: Person, verb: str, procedure: str | None, environment: str | None = None) -> bool:
    """Whether what a person has by ownership may be used now."""
    return not withheld(actor, verb, procedure, environment)
