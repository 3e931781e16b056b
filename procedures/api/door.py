"""What every view of this door shares: who acts, how strongly, and answers that can be repeated safely."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from procedures.api.authentication import is_bearer
from procedures.domain.clock import now
from procedures.domain.errors import NotFound, OpsError
from procedures.models import IdempotencyKey, Person
from procedures.services import unit

LIVES = timedelta(hours=24)


class SameKeyOtherBody(OpsError):
    """An Idempotency-Key was used before, for another request."""

    code = "idempotency.other-body"
    next_step = "Use a fresh key for a new request."


class Door(APIView):
    """A view whose refusals say that they came through the API."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        unit.door.set("api")
        super().initial(request, *args, **kwargs)

    @property
    def actor(self) -> Person:
        person = self.request.user
        if not isinstance(person, Person):
            raise NotFound("Nobody is signed in.")
        return person

    @property
    def bearer(self) -> bool:
        return is_bearer(self.request)

    @property
    def url(self) -> str:
        return str(settings.OPSPORTAL_PUBLIC_URL)


def uuid(text: str) -> UUID:
    """Raises NotFound for what is no id: unseen and not existing answer alike."""
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("There is no such thing.") from problem


def once(request: Request, person: Person, act: Callable[[], tuple[int, dict[str, Any]]]) -> Response:
    """Carry out a request once per Idempotency-Key; the same key and body get the same answer for 24 hours."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "")[:200]
    if not key:
        status, data = act()
        return Response(data, status=status)
    mark = hashlib.sha256(json.dumps(request.data, sort_keys=True, default=str).encode()).hexdigest()
    IdempotencyKey.objects.filter(person=person, key=key, at__lt=now() - LIVES).delete()
    known = IdempotencyKey.objects.filter(person=person, key=key).first()
    if known is None:
        status, data = act()
        known, _ = IdempotencyKey.objects.get_or_create(
            person=person, key=key,
            defaults={"body_sha256": mark, "status": status, "response": data, "at": now()},
        )
    if known.body_sha256 != mark:
        raise SameKeyOtherBody("This Idempotency-Key was used for another request.")
    return Response(known.response, status=known.status)


def page(rows: list[Any], size: int, shape: Callable[[Any], dict[str, Any]], mark: Callable[[Any], str]) -> dict[str, Any]:
    """A keyset page from `size + 1` rows: results and the cursor of the next page, or None."""
    more = len(rows) > size
    rows = rows[:size]
    return {"results": [shape(row) for row in rows], "next": mark(rows[-1]) if more and rows else None, "previous": None}
