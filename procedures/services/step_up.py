"""A recent second factor, where a session or a token alone asks for too much (H20; decisions/0015)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from procedures import access
from procedures.domain.canonical import moment
from procedures.domain.errors import NotAllowed
from procedures.domain.statements import STRENGTHS
from procedures.evidence.record import record
from procedures.models import Environment, OpenSession, Person
from procedures.services.signing import decided
from procedures.services.unit import thing

RECENT = timedelta(minutes=15)
WORKLOAD, PORTAL = "workload", "portal"


class StepUpNeeded(NotAllowed):
    """A signed-in session or a bearer token is not enough here without a second factor of the last 15 minutes."""

    code = "access.step-up-needed"
    next_step = (
        "Prove it is you, by a code of your app or a signature of your key: on the page, or with `opsportal login "
        "--step-up`; then ask again. Code apps and keys are set up on the page Settings."
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """How strongly whoever calls was proved lately: a strength of statements, `workload` or `portal`."""

    strength: str
    at: datetime | None = None

    @property
    def enough(self) -> bool:
        return self.strength != STRENGTHS[0]


def strength_of_caller(actor: Person, at: datetime) -> Proof:
    """The second factor of the last 15 minutes behind this call; for a token that of its owner, a person.

    The portal itself (a parent run, a schedule) proves nothing and needs to prove nothing here: its rights were
    given by people. A workload's identity was proved by its issuer when the token was exchanged for it.
    """
    call = access.calling(actor)
    if call is None:
        return Proof(PORTAL)
    if call.workload:
        return Proof(WORKLOAD)
    if call.scope is None:
        recent = call.proved_at is not None and call.proved_at > at - RECENT
        return Proof(call.proved, call.proved_at) if recent else Proof(STRENGTHS[0])
    owner = actor.owner or actor
    rows = OpenSession.objects.filter(person=owner, ended_at__isnull=True, until_at__gt=at, person__is_active=True)
    latest = rows.filter(proved_at__gt=at - RECENT, proved_at__lte=at).order_by("-proved_at").first()
    return Proof(latest.proved, latest.proved_at) if latest else Proof(STRENGTHS[0])


def why_needed(actor: Person, environment: Environment, risk: str) -> str:
    """Why this call needs a second factor, or an empty string. Where sessions decide, nothing ever does.

    What an agent asks for in production a person approves in any case, who proves themselves then (H38).
    """
    call = access.calling(actor)
    if (
        call is None
        or actor.kind == Person.Kind.AGENT
        or (not environment.production and environment.min_strength == STRENGTHS[0])
    ):
        return ""
    if environment.production and (call.scope is not None or call.kind == "cli"):
        through = f"the token {call.scope.name!r}" if call.scope else "a session of the command line"
        return f"{environment.name} is production, and {through} can be stolen"
    return f"this is of high risk in {environment.name}" if risk == "high" else ""


def why_asked(actor: Person, environment: Environment, risk: str, at: datetime) -> str:
    """Why this call is asked for a second factor now, or an empty string: none is needed, or one was given."""
    why = why_needed(actor, environment, risk)
    return why if why and not strength_of_caller(actor, at).enough else ""


def require(actor: Person, *, environment: Environment, risk: str, at: datetime) -> dict[str, Any]:
    """The facts of the second factor that this call leans on; empty where none is needed. Raises StepUpNeeded."""
    if why := why_asked(actor, environment, risk, at):
        raise StepUpNeeded(f"A second factor of the last {RECENT.seconds // 60} minutes is needed: {why}.")
    if not why_needed(actor, environment, risk):
        return {}
    proof = strength_of_caller(actor, at)
    return {"second_factor": {"strength": proof.strength, "at": moment(proof.at) if proof.at else ""}}


def statement_for(*, actor: Person, session: UUID, fresh: str) -> dict[str, Any]:
    """What a person signs to prove that it is them at this session, now; `fresh` is the door's, and good once."""
    return {
        "type": "opsportal/step-up/v1",
        "session": str(session),
        "person": str(actor.subject),
        "nonce": fresh,
        "portal": settings.OPSPORTAL_PUBLIC_URL,
    }


@thing
def step_up(*, actor: Person, session: UUID, fresh: str, given: Mapping[str, Any] | None, at: datetime) -> Proof:
    """Prove a second factor for one's own session.

    Raises NotAllowed, TooWeak, BadSignature, PasskeyCopied, WrongCode, TooManyCodes, NoCodeApp, StatementMismatch,
    InvalidInput.
    """
    call = access.calling(actor)
    if call is None or call.session != session:
        raise NotAllowed("Only the person of a session makes it stronger, and only from within it.")
    expected = statement_for(actor=actor, session=session, fresh=fresh)
    decision = decided(actor, expected, given, minimum="totp", at=at, free=(), role="caller")
    facts = {"session": str(session), "subject": str(actor.subject), "strength": decision.strength}
    record(
        "session.stepped_up",
        actor=actor.subject,
        at=at,
        facts=facts,
        statement=decision.statement,
        signatures=[decision.signature],
    )
    return Proof(decision.strength, at)
