"""Which stop switches are thrown now, and what they stop."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from procedures import access
from procedures.models import Environment, Person, Procedure, Run, Stop

PAST = 50


def standing(*, environment: str) -> list[Stop]:
    """Live stops that concern an environment: of the portal, of it, and of any procedure."""
    here = Q(environment=environment) | Q(environment__isnull=True)
    return list(Stop.objects.filter(here, lifted_at__isnull=True).select_related("procedure", "thrown_by"))


def of_run(run: Run, calls: Collection[UUID | str] = ()) -> Stop | None:
    """The stop that this run may not pass: of the portal, its environment, its procedure or one that it calls.

    `calls` are the versions that it calls.
    """
    return of_place(run.environment_id, run.procedure_id, calls)


def of_place(environment: str, procedure: UUID, calls: Collection[UUID | str] = ()) -> Stop | None:
    """The same for a run of that procedure there."""
    everything = Q(environment__isnull=True, procedure__isnull=True)
    here = everything | Q(environment=environment) | Q(procedure=procedure)
    if calls:
        here |= Q(procedure__versions__in=list(calls))
    # Asked at every step, and nearly always none is thrown: what it is of and whose is read when there is one.
    live = Stop.objects.filter(here, lifted_at__isnull=True).prefetch_related("procedure", "thrown_by")
    return live.order_by("thrown_at").first()


def live() -> list[Stop]:
    """Every live stop, the latest first."""
    rows = Stop.objects.filter(lifted_at__isnull=True).select_related("environment", "procedure", "thrown_by")
    return list(rows.order_by("-thrown_at"))


def seen_by(person: Person, at: datetime, *, live: bool) -> list[Stop]:
    """Stops that this person may know of, newest first: those of a procedure only where they may know of that."""
    known = access.visible(Procedure.objects.all(), person, "discover", at=at)
    rows = Stop.objects.filter(Q(procedure__isnull=True) | Q(procedure__in=known), lifted_at__isnull=live)
    rows = rows.select_related("environment", "procedure", "thrown_by", "lifted_by").order_by("-thrown_at")
    return list(rows if live else rows[:PAST])


def loud() -> list[Stop]:
    """Live stops of the whole portal and of environments, which every page tells of."""
    rows = Stop.objects.filter(lifted_at__isnull=True, procedure__isnull=True)
    return list(rows.select_related("thrown_by").order_by("thrown_at"))


def barred(object: Mapping[str, Any]) -> set[str]:
    """Who does not lift the stop that a change names: in production whoever threw it."""
    where = Environment.objects.filter(production=True)
    if "environment" in object:
        where = where.filter(pk=object["environment"])
    row = Stop.objects.filter(pk=object["stop"]).select_related("thrown_by").first()
    return {str(row.thrown_by.subject)} if row is not None and where.exists() else set()
