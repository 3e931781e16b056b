"""What no grant lets an agent do, and when it may do nothing at all (H38)."""

from __future__ import annotations

from procedures.domain.software import MAY
from procedures.models import Agent, Person, PortalSetting

ALL_STOPPED = "agents-stopped"


def all_stopped() -> bool:
    """Whether somebody stopped every agent."""
    return PortalSetting.objects.filter(pk=ALL_STOPPED, value=True).exists()


def refusal(actor: Person, verb: str) -> str:
    """Why this agent may not do this, whatever it was granted; an empty string if grants decide."""
    if verb not in MAY:
        return f"{actor.username} is software: it may ask and read; it never does what needs {verb.replace('_', ' ')}."
    row = Agent.objects.filter(person=actor).first()
    if row is None:
        return f"{actor.username} is no agent that an access manager made."
    if row.stopped_at is not None:
        return f"{actor.username} was stopped on {row.stopped_at:%Y-%m-%d %H:%M} UTC."
    if actor.owner is None or not actor.owner.is_active:
        return f"Nobody stands behind {actor.username} any more."
    return "All agents are stopped." if all_stopped() else ""
