"""Requests of auditors that are asked again: saved by a name, answered by a counted list, each time an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from procedures.domain.errors import IllegalState, InvalidInput
from procedures.domain.ids import uuid7
from procedures.domain.periods import MONTHS
from procedures.domain.text import one_line
from procedures.evidence.record import record
from procedures.models import Person
from procedures.queries import auditing
from procedures.queries.populations import FIELDS, Population, in_headers, population
from procedures.queries.saved_requests import ANSWERED, DROPPED, SAVED, Saved, one_saved
from procedures.services.unit import thing

LONGEST = 120


class RequestDropped(IllegalState):
    """A request that was dropped is asked no more."""

    code = "evidence.request-dropped"
    next_step = "Save it anew; what it was answered with stays on its page."


@thing
def save(*, actor: Person, name: str, wanted: Mapping[str, str], period: str, at: datetime) -> str:
    """Save a filter by a name, to be asked for each `period` (month, quarter, year) or, without one, for all.

    Gives its id. Raises NotAllowed, InvalidInput.
    """
    reach = auditing.reach_of(actor, at)
    said = {one: wanted[one] for one in FIELDS if wanted.get(one)}
    problems = [] if name.strip() == name == one_line(name) and 0 < len(name) <= LONGEST else [
        ("/name", f"needs 1 to {LONGEST} letters on one line")
    ]  # fmt: skip
    if period and period not in MONTHS:
        problems.append(("/period", f"is one of {', '.join(MONTHS)}, or left out"))
    problems += [(f"/{one}", "comes with each asking, by its period") for one in ("from", "to") if one in said]
    if problems:
        raise InvalidInput(problems)
    auditing.require_within(reach, in_headers(said), ever=True)
    if "requester" in said:
        said["requester"] = str(Person.objects.get(username=said["requester"]).subject)
    request = str(uuid7())
    facts = {"request": request, "wanted": said, "period": period}
    record(SAVED, actor=actor.subject, at=at, facts=facts, sensitive={"/name": name})
    return request


def ask(*, actor: Person, request: str, at: datetime, of: str = "") -> tuple[Saved, Population]:
    """Count the list of a request for a period (2026-Q3; the last whole one if none is named), and record the answer.

    Raises NotAllowed, NotFound, InvalidInput, RequestDropped, LogDiffers.
    """
    saved = one_saved(actor, request, at=at)
    if saved.dropped_at:
        raise RequestDropped(f"{saved.name} was dropped.")
    period = saved.of(of, at)
    found = population(actor, {**saved.wanted, **period}, at=at)
    panel = found.panel()
    facts = {
        "request": request,
        "of": of or (saved.periods(at)[0].name if saved.period else ""),
        "filter": dict(found.count.filter),
        "size": panel["range"]["end"],
        **{name: panel[name] for name in ("root", "totals", "sha256")},
        "runs": panel["rows"],
    }
    with transaction.atomic(durable=True):
        record(ANSWERED, actor=actor.subject, at=at, facts=facts)
    return one_saved(actor, request, at=at), found


@thing
def drop(*, actor: Person, request: str, at: datetime) -> None:
    """Ask a request no more; what it was answered with stays. Raises NotAllowed, NotFound, RequestDropped."""
    saved = one_saved(actor, request, at=at)
    if saved.dropped_at:
        raise RequestDropped(f"{saved.name} was dropped before.")
    record(DROPPED, actor=actor.subject, at=at, facts={"request": request})
