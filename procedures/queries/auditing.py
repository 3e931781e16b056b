"""How far an auditor's eyes reach: the whole portal, or the places of an engagement, until it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from procedures import access
from procedures.access.decision import live_rights
from procedures.access.managing import Reach, reach
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.places import EVERYWHERE, Place
from procedures.evidence.models import Event
from procedures.models import Grant, Person, Procedure, Run


def reach_of(actor: Person, at: datetime) -> Reach:
    """Where this person audits. Raises NotAllowed for whoever audits nothing."""
    found = reach(actor, "audit", at=at)
    if not found:
        raise NotAllowed(access.decide(actor, "audit", at=at).reason)
    return found


def is_whole(found: Reach) -> bool:
    return found.has(EVERYWHERE)


def audits_run(actor: Person, run: Run, at: datetime) -> bool:
    """Whether a run lies where this person audits."""
    return access.decide(actor, "audit", at=at, procedure=run.procedure, environment=run.environment).allowed


def covers(found: Reach, wanted: Mapping[str, str]) -> bool:
    """Whether a filter, by ids as headers have them, asks for nothing outside."""
    procedure = Procedure.objects.filter(pk=wanted["procedure"]).first() if "procedure" in wanted else None
    environments = (wanted["environment"],) if "environment" in wanted else ()
    return found.has(Place(procedure.name if procedure else None, environments))


def require_within(found: Reach, wanted: Mapping[str, str]) -> None:
    """That a filter asks for nothing outside. Raises InvalidInput, naming the field and what lies inside."""
    if covers(found, wanted):
        return
    told = "; ".join(sorted(_told(*pair) for pair in found.pairs)) or "nothing"
    pointer = "/procedure" if wanted.get("environment") in {place for _, place in found.pairs} else "/environment"
    raise InvalidInput([(pointer, f"lies outside what you audit: {told}. Narrow the filter to it")])


def _told(procedure: str | None, environment: str | None) -> str:
    return f"{procedure or 'every procedure'} in {environment or 'every environment'}"


def engagements(actor: Person, at: datetime) -> list[Grant]:
    """The grants by which this person audits now, the one that ends first at the top."""
    rights = live_rights(actor, "audit", at)
    return list(Grant.objects.filter(pk__in=rights.values("grant")).select_related("procedure").order_by("expires_at"))


def audits_event(actor: Person, event: Event, at: datetime) -> bool:
    """Whether somebody audits all of the portal, or the run that an event belongs to."""
    if access.decide(actor, "audit", at=at).allowed:
        return True
    run = Run.objects.select_related("procedure", "environment").filter(pk=event.run).first() if event.run else None
    return run is not None and audits_run(actor, run, at)
