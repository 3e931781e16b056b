"""A request that carries an Idempotency-Key happens once; asked again, it gets the same answer for 24 hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.errors import OpsError
from procedures.models import IdempotencyKey, Person

LIVES = timedelta(hours=24)


class SameKeyOtherBody(OpsError):
    """An Idempotency-Key was used before, for another request."""

    code = "idempotency.other-body"
    next_step = "Use a fresh key for a new request."


def once(
    *, person: Person, key: str, body_sha256: str, act: Callable[[], tuple[int, dict[str, Any]]], at: datetime
) -> tuple[int, dict[str, Any]]:
    """(status, answer) of the first time. Raises SameKeyOtherBody."""
    IdempotencyKey.objects.filter(person=person, key=key, at__lt=at - LIVES).delete()
    known = IdempotencyKey.objects.filter(person=person, key=key).first()
    if known is None:
        status, data = act()
        known, _ = IdempotencyKey.objects.get_or_create(
            person=person,
            key=key,
            defaults={"body_sha256": body_sha256, "status": status, "response": data, "at": at},
        )
    if known.body_sha256 != body_sha256:
        raise SameKeyOtherBody("This Idempotency-Key was used for another request.")
    return known.status, known.response
