"""What every view of this door shares: who acts, how strongly, and answers that can be repeated safely."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from procedures import access
from procedures.api.authentication import is_bearer
from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound, OpsError
from procedures.models import Person
from procedures.services import idempotency, unit

Sent = TypeVar("Sent", bound=HttpResponseBase)


class TooLarge(OpsError):
    """More than a request may carry, told before it is parsed."""

    code = "request.too-large"
    next_step = "A body holds at most 8 MiB, a bundle 5 MiB."


def no_larger(request: Request, limit: int, what: str, pointer: str | None = None) -> None:
    """Judge a body by the length it says it has. Raises TooLarge."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise TooLarge(f"{what} is larger than {limit // limits.MIB} MiB.", pointer=pointer)


class NotForTokens(NotAllowed):
    """A door that no bearer token opens, or not one for these verbs."""

    code = "token.not-for-this"
    next_step = "Sign in for that, or use a token that is for it."


class Door(APIView):
    """A view whose refusals say that they came through the API.

    `by_token` says which verb a token must be for, by method ("" for any token); a method that is not there is closed
    to tokens (H20). What the token is for beside that is asked by the decision itself.
    """

    by_token: ClassVar[Mapping[str, str]] = {"get": "view"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        unit.door.set("api")
        super().initial(request, *args, **kwargs)
        self._by_token(request)
        no_larger(request, limits.BODY_BYTES, "The body")

    def _by_token(self, request: Request) -> None:
        scope = access.scope_of(request.user if isinstance(request.user, Person) else None)
        method = str(request.method).lower().replace("head", "get")
        if scope is None or method == "options":
            return
        verb = self.by_token.get(method)
        if verb is not None and (verb in {"", "discover"} or verb in scope.verbs):
            return
        why = f"the token {scope.name!r} is for {', '.join(sorted(scope.verbs))}."
        closed = f"A bearer token alone does not do this: {why}" if verb is None else f"This needs {verb}, and {why}"
        refusal = NotForTokens(closed)
        unit.note_denial(refusal, what=f"{method} {type(self).__name__}", about={"actor": request.user})
        raise refusal

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


def attached(answer: Sent, name: str) -> Sent:
    """A file that others made: kept, never shown, never guessed at (H29)."""
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "no-store"
    return answer


def uuid(text: str) -> UUID:
    """Raises NotFound for what is no id: unseen and not existing answer alike."""
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("There is no such thing.") from problem


def once(
    request: Request, person: Person, act: Callable[[], tuple[int, dict[str, Any]]], body: bytes = b""
) -> Response:
    """Carry out a request once per Idempotency-Key; the same key and body get the same answer for 24 hours.

    `body` are the bytes of a file that the request carries.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY", "")[:200]
    if not key:
        status, data = act()
        return Response(data, status=status)
    said = [request.path, request.data, hashlib.sha256(body).hexdigest()]
    mark = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    status, data = idempotency.once(person=person, key=key, body_sha256=mark, act=act, at=now())
    return Response(data, status=status)


def page(
    rows: list[Any], size: int, shape: Callable[[Any], dict[str, Any]], mark: Callable[[Any], str]
) -> dict[str, Any]:
    """A keyset page from `size + 1` rows: results and the cursor of the next page, or None."""
    more = len(rows) > size
    rows = rows[:size]
    return {
        "results": [shape(row) for row in rows],
        "next": mark(rows[-1]) if more and rows else None,
        "previous": None,
    }
