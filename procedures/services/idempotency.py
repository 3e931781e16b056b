"""A request that carries an Idempotency-Key happens once; asked again, it gets the same answer for 24 hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.errors import IllegalState, OpsError
from procedures.models import IdempotencyKey, Person

LIVES = timedelta(hours=24)
UNDER_WAY = 0


class StillUnderWay(IllegalState):
    """The first request with this Idempotency-Key has not been answered yet, or its end is unknown."""

    code = "idempotency.under-way"
    next_step = "Ask again in a moment; if it stays so, look whether the first request was carried out."


class SameKeyOtherBody(OpsError):
    """An Idempotency-Key was used before, for another request."""

    code = "idempotency.other-body"
    next_step = "Use a fresh key for a new request."


def once(
    *, person: Person, key: str, body_sha256: str, act: Callable[[], tuple[int, dict[str, Any]]], at: datetime
) -> tuple[int, dict[str, Any]]:
    """(status, answer) of the first time; two at once are one. Raises SameKeyOtherBody, StillUnderWay."""
    IdempotencyKey.objects.filter(person=person, key=key, at__lt=at - LIVES).delete()
    begun = {"body_sha256": body_sha256, "status": UNDER_WAY, "response": {}, "at": at}
    known, fresh = IdempotencyKey.objects.get_or_create(person=person, key=key, defaults=begun)
    if known.body_sha256 != body_sha256:
        raise SameKeyOtherBody("This Idempotency-Key was used for another request.")
    if not fresh:
        if known.status == UNDER_WAY:
            raise StillUnderWay("A request with this Idempotency-Key is under way.")
        return known.status, known.response
    try:
        status, data = act()
    except BaseException:
        known.delete()
        raise
    IdempotencyKey.objects.filter(pk=known.pk).update(status=status, response=data)
    return status, data
