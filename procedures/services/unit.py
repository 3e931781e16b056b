"""One thing that can happen: allowed? → change → evidence → nudge, in one durable transaction.

A refusal that security wants to know of is itself evidence, written after the roll-back (rule 5).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, OpsError
from procedures.evidence.record import record
from procedures.models import DenialCount, Person
from procedures.queries import storage

P = ParamSpec("P")
T = TypeVar("T")
door: ContextVar[str] = ContextVar("door", default="system")
COALESCE_ABOVE = 5
KEPT = timedelta(minutes=11)  # as long as the slowing of sign-ins looks back


class SecondPersonRequired(NotAllowed):
    """Four eyes: whoever gains, wrote or asked is not the one who decides."""

    code = "second-person-required"
    next_step = "Ask somebody else who holds that right."


def thing(function: Callable[P, T]) -> Callable[P, T]:
    """Make `function` one durable transaction, and its refusals evidence."""

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with transaction.atomic(durable=True):
                return function(*args, **kwargs)
        except NotAllowed as refusal:
            note_denial(refusal, what=refusal.counted_as or function.__name__, about=dict(kwargs))
            raise

    return wrapper


def note_denial(refusal: OpsError, *, what: str, about: dict[str, Any]) -> None:
    """Write `access.denied` for a known person; more than five a minute per person, verb and door become a count.

    Where only the reserve of the disk is left, all of them do: refusals must not take what runs need (H31).
    """
    actor = about.get("actor")
    if not isinstance(actor, Person) or getattr(refusal, "event", None) is not None:
        return
    at = now()
    with transaction.atomic():
        minute = at.replace(second=0, microsecond=0)
        counter, _ = DenialCount.objects.get_or_create(person=actor, verb=what, door=door.get(), minute=minute)
        reserved = storage.is_reserved()
        told = Greatest(F("count"), Value(COALESCE_ABOVE)) if reserved else F("count")
        DenialCount.objects.filter(pk=counter.pk).update(count=told + 1)  # what is above is told as one count
        if reserved or counter.count >= COALESCE_ABOVE:
            return
        event = record(
            "access.denied",
            actor=actor.subject,
            at=at,
            facts={
                "what": what,
                "code": refusal.code,
                "reason": refusal.message,
                "door": door.get(),
                **_more(refusal, about),
            },
        )
    refusal.event = event.id  # type: ignore[attr-defined]


def _more(refusal: OpsError, about: dict[str, Any]) -> dict[str, Any]:
    """What a refusal is about, and what it tells of itself: policies say by which rules and on which input."""
    told = getattr(refusal, "facts", None)
    return {**_about(about), **({"policy": told} if told else {})}


def _about(about: dict[str, Any]) -> dict[str, Any]:
    """The ids among a service's arguments; never free text or secrets."""
    known = {k: str(v) for k, v in about.items() if isinstance(v, UUID)}
    for key in ("procedure", "environment", "control", "digest"):
        if isinstance(about.get(key), str):
            known[key] = about[key][:200]
    return {"about": known} if known else {}


def coalesced_denials(at: datetime) -> int:
    """Record the counts of past minutes that went over the limit; called by the sweeper. Returns how many."""
    done = 0
    for counter in DenialCount.objects.filter(minute__lt=at - KEPT).select_related("person")[:500]:
        with transaction.atomic():
            if counter.count > COALESCE_ABOVE:
                record(
                    "access.denied",
                    actor=counter.person.subject,
                    at=at,
                    facts={
                        "what": counter.verb,
                        "code": "coalesced",
                        "reason": "more refusals within one minute",
                        "door": counter.door,
                        "count": counter.count - COALESCE_ABOVE,
                    },
                )
            counter.delete()
            done += 1
    return done
