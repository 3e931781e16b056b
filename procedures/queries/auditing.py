"""How far an auditor's eyes reach: the whole portal, or the places of an engagement, until it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from procedures import access
from procedures.access.decision import bounded_rights, live_rights
from procedures.access.managing import Reach, reach
from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.places import EVERYWHERE, Place
from procedures.evidence.models import Event
from procedures.models import Grant, Person, Procedure, Run

BEGINNING, END = "", "~"  # before and after every moment, as the log writes them


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
    if access.decide(actor, "audit", at=at, procedure=run.procedure, environment=run.environment).allowed:
        return True
    asked = moment(run.requested_at)
    place = Place(run.procedure.name, (run.environment_id,))
    return reach(actor, "audit", at=at).has_runs(place, asked, asked)


def covers(found: Reach, wanted: Mapping[str, str], *, ever: bool = False) -> bool:
    """Whether a filter, by ids as headers have them, asks for nothing outside; `ever`: whatever its period is."""
    procedure = Procedure.objects.filter(pk=wanted["procedure"]).first() if "procedure" in wanted else None
    environments = (wanted["environment"],) if "environment" in wanted else ()
    place = Place(procedure.name if procedure else None, environments)
    return found.has_runs(
        place, *((END, BEGINNING) if ever else (wanted.get("from", BEGINNING), wanted.get("to", END)))
    )


def require_within(found: Reach, wanted: Mapping[str, str], *, ever: bool = False) -> None:
    """That a filter asks for nothing outside. Raises InvalidInput, naming the field and what lies inside."""
    if covers(found, wanted, ever=ever):
        return
    spans = [f"{_told(s.procedure, s.environment)} from {s.first} to {s.last}" for s in found.spans]
    told = "; ".join(sorted([*(_told(*pair) for pair in found.pairs), *spans])) or "nothing"
    if not ever and covers(found, wanted, ever=True):
        raise InvalidInput([("/from", f"lies outside what you audit: {told}. Narrow the filter to it")])
    pointer = (
        "/procedure"
        if wanted.get("environment") in {place for _, place in found.pairs} | {s.environment for s in found.spans}
        else "/environment"
    )
    raise InvalidInput([(pointer, f"lies outside what you audit: {told}. Narrow the filter to it")])


def _told(procedure: str | None, environment: str | None) -> str:
    return f"{procedure or 'every procedure'} in {environment or 'every environment'}"


def engagements(actor: Person, at: datetime) -> list[Grant]:
    """The grants by which this person audits now, the one that ends first at the top."""
    rights = live_rights(actor, "audit", at)
    mine = [*rights.values_list("grant", flat=True), *(right.grant_id for right in bounded_rights(actor, at))]
    return list(Grant.objects.filter(pk__in=mine).select_related("procedure").order_by("expires_at"))


def audits_event(actor: Person, event: Event, at: datetime) -> bool:
    """Whether somebody audits all of the portal, or the run that an event belongs to."""
    if access.decide(actor, "audit", at=at).allowed:
        return True
    run = Run.objects.select_related("procedure", "environment").filter(pk=event.run).first() if event.run else None
    return run is not None and audits_run(actor, run, at)
