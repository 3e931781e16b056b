"""Signing in and out over REST, for the command line: a session, never a lasting token."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from django.contrib.auth import logout
from django.http import HttpRequest
from django.middleware.csrf import get_token
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from procedures import access
from procedures.api import inputs, shapes
from procedures.api.door import Door
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.statements import nonce
from procedures.services import bootstrap, cli_codes, open_sessions, sessions, step_up
from procedures.services.unit import door

ASKED = "step_up"  # in the session: the nonce of the statement that was told last


def plain(request: Request) -> HttpRequest:
    """Django's own request, which its session functions want."""
    return request._request  # noqa: SLF001 - DRF offers no other way to it


class Session(APIView):
    permission_classes = (AllowAny,)
    authentication_classes = ()

    def post(self, request: Request) -> Response:
        door.set("api")
        data = inputs.checked(inputs.LOGIN, request.data)
        named = {"username": data["username"], "password": data["password"]}
        person = sessions.open_session(plain(request), at=now(), kind="cli", **named)
        return Response({**shapes.person(person), "csrf": get_token(plain(request))})

    def delete(self, request: Request) -> Response:
        open_sessions.leave(plain(request), at=now())
        logout(plain(request))
        return Response(status=204)


class CodeSession(APIView):
    """A code from the page `/cli-login/` opens a session: for people whose password is not the portal's."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def post(self, request: Request) -> Response:
        door.set("api")
        data = inputs.checked(inputs.CODE, request.data)
        person = cli_codes.use_code(plain(request), code=data["code"], at=now())
        return Response({**shapes.person(person), "csrf": get_token(plain(request))})


class StepUp(Door):
    """GET: a statement to sign. POST {signature}: a code or that signature makes this session strong for 15 minutes."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        fresh = plain(request).session[ASKED] = nonce()
        value = step_up.statement_for(actor=self.actor, session=self._session(), fresh=fresh)
        return Response({"statement": base64.b64encode(canon(value)).decode(), "value": value})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.CONFIRM, request.data or {})
        fresh, at = plain(request).session.pop(ASKED, nonce()), now()
        proof = step_up.step_up(
            actor=self.actor, session=self._session(), fresh=fresh, given=data.get("signature"), at=at
        )
        plain(request).session.cycle_key()
        until = shapes.at(at + step_up.RECENT)
        return Response({"strength": proof.strength, "until": until, "csrf": get_token(plain(request))})

    def _session(self) -> UUID:
        call = access.calling(self.actor)
        if call is None or call.session is None:
            raise NotAllowed("There is no session here to make stronger: sign in first.")
        return call.session


class Join(APIView):
    """Accept an invitation: the link's secret part and a password."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.JOIN, request.data)
        return Response(
            shapes.person(bootstrap.accept_invite(token=data["token"], password=data["password"], at=now()))
        )


class Welcome(APIView):
    """The first access manager, by the one-time link that `up` prints."""

    permission_classes = (AllowAny,)
    authentication_classes = ()

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.WELCOME, request.data)
        person = bootstrap.use_first_link(
            token=data["token"],
            username=data["username"],
            name=data["name"],
            password=data["password"],
            public_key=data.get("public_key", ""),
            at=now(),
        )
        return Response(shapes.person(person), status=201)
