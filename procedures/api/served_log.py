"""The log itself in C2SP tlog-tiles below `/evidence/log/`: a checkpoint, tiles of hashes, bundles of entries.

Entries are headers: pseudonymous, without bodies. Who may read them: auditors, whoever holds the token for it, this
machine itself, or everybody where the setting says so (H32).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from secrets import compare_digest
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from procedures import access
from procedures.api.authentication import BearerAuthentication
from procedures.api.door import Door
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.evidence import tiles, turning
from procedures.evidence.cosignatures import note_with_lines, public_policy
from procedures.models import Person

LOOPBACK = {"127.0.0.1", "::1"}
LOCAL = {"localhost", *LOOPBACK}
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_FORWARDED", "HTTP_VIA")
FOR_EVER = "max-age=31536000, immutable"


class AsItIs(BaseContentNegotiation):
    """The formats are fixed, whatever a client says that it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return JSONRenderer(), "application/json"


class LogToken(BaseAuthentication):
    """`Authorization: Bearer` with OPSPORTAL_LOG_TOKEN: whoever follows the log reads it with that and nothing else."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        wanted = settings.OPSPORTAL_LOG_TOKEN
        if scheme.lower() != "bearer" or not wanted or not compare_digest(given.strip().encode(), wanted.encode()):
            return None
        return AnonymousUser(), "log"

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="opsportal log"'


class ServedLog(Door):
    """`which` is the number of the log, as its origin ends in it, from the second one on."""

    authentication_classes = (LogToken, BearerAuthentication, SessionAuthentication)
    permission_classes = (AllowAny,)
    content_negotiation_class = AsItIs
    schema = None  # a format of C2SP, described there
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, path: str, which: int = 1) -> HttpResponse:
        self._require_reader(request)
        newest = tiles.newest()
        if newest is None or which != number_of(newest.note.partition("\n")[0]):
            raise NotFound("There is no such log here.")
        if path == "checkpoint":
            policy = public_policy()
            note = note_with_lines(newest, policy.witnesses.values() if policy else ())
            return HttpResponse(note, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})
        if path == "turns" and (notes := turning.notes()):
            return JsonResponse(notes, safe=False, headers={"Cache-Control": "no-cache"})
        place = tiles.place_of(path)
        data = tiles.content(place) if place else None
        if data is None:
            raise NotFound("There is no such tile.")
        return _kept(request, data, packed=place is not None and place.level is None)

    def _require_reader(self, request: Request) -> None:
        """Raises NotAllowed, NotAuthenticated."""
        if settings.OPSPORTAL_LOG_READERS == "everybody" or request.auth == "log":
            return
        if isinstance(request.user, Person):
            access.require(request.user, "audit", at=now())
        elif not from_here(request):
            raise NotAuthenticated(
                "The log is for auditors: sign in, or send the token that the portal's operators set."
            )


def number_of(origin: str) -> int:
    """Which log of its portal an origin names."""
    last = origin.rpartition("/")[2]
    return int(last) if last.isdecimal() else 1


def from_here(request: HttpRequest | Request) -> bool:
    """Whether this machine asks by itself: nothing that a proxy beside the portal passes on counts as that."""
    asked = urlsplit(f"//{request.META.get('HTTP_HOST', '')}").hostname
    direct = request.META.get("REMOTE_ADDR") in LOOPBACK and asked in LOCAL
    return direct and not any(name in request.META for name in FORWARDED)


def _kept(request: Request, data: bytes, *, packed: bool) -> HttpResponse:
    """What never changes, packed if the client can unpack it."""
    open_to = "public" if settings.OPSPORTAL_LOG_READERS == "everybody" else "private"
    answer = HttpResponse(data, content_type="application/octet-stream")
    answer["Cache-Control"] = f"{open_to}, {FOR_EVER}"
    if packed:
        patch_vary_headers(answer, ["Accept-Encoding"])
        if takes_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")):
            answer.content = gzip.compress(data, mtime=0)
            answer["Content-Encoding"] = "gzip"
            answer["Content-Length"] = str(len(answer.content))
    return answer


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding names gzip, or everything, and not as the last thing wanted (RFC 9110, 12.5.3)."""
    weights: dict[str, str] = {}
    for one in accepted.lower().split(","):
        name, _, weight = one.partition(";")
        weights[name.strip()] = weight.replace(" ", "").removeprefix("q=")
    wanted = weights.get("gzip", weights.get("*"))
    return wanted is not None and re.fullmatch(r"0(\.0*)?", wanted) is None
