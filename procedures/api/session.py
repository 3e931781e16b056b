"""Signing in and out over REST, for the command line: a session, never a lasting token."""

from __future__ import annotations

from django.contrib.auth import logout
from django.http import HttpRequest
from django.middleware.csrf import get_token
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from procedures.api import inputs, shapes
from procedures.domain.clock import now
from procedures.services import bootstrap, open_sessions, sessions
from procedures.services.unit import door


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
