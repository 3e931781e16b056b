"""Who is calling: a bearer token, or a signed-in session."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from procedures.access import caller
from procedures.domain.clock import now
from procedures.models import Person
from procedures.services import tokens


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer ops_…`. A bearer token alone never decides anything that needs a person (S4)."""

    def authenticate(self, request: Request) -> tuple[Person, str] | None:
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.bearer(secret.strip(), at=now())
        if token is None:
            raise AuthenticationFailed("The token is unknown, has expired or was revoked.")
        caller.set(tokens.caller_of(token))
        return token.person, "bearer"

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="opsportal"'


class PersonSession(SessionAuthentication):
    """A session of the portal, with its CSRF protection."""


def is_bearer(request: Any) -> bool:
    return bool(request.auth == "bearer")
