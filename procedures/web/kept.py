"""A form that waits while its person proves a second factor: sealed in the session, its key in that browser alone.

No page carries what was typed, and neither the session's row nor a stolen cookie of it opens it (decisions/0015).
"""

from __future__ import annotations

import base64
import json
import secrets
from binascii import Error as NotBase64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict

from procedures.domain.canonical import moment, parse_moment
from procedures.domain.errors import IllegalState
from procedures.domain.limits import MIB
from procedures.services import open_sessions

PLACE = COOKIE = "kept_form"
GOOD_FOR = timedelta(minutes=15)
MOST_BYTES = MIB


class FormNotKept(IllegalState):
    """The form that waited for a second factor is gone: too large, too old, sent already, or of another browser."""

    code = "form.not-kept"
    next_step = "Open its page and fill it in again."


def keep(request: HttpRequest, *, without: Sequence[str], at: datetime) -> tuple[str, bytes]:
    """Seal the form that this request sent, in place of any other of this session; its name, and the key for `hand`.

    `without` are fields that are not kept. The key is empty, and nothing kept, where the form is too large.
    """
    name = secrets.token_urlsafe(16)
    fields = [(field, values) for field, values in request.POST.lists() if field not in without]
    data = json.dumps(fields).encode()
    row = {"name": name, "where": request.get_full_path(), "until": moment(at + GOOD_FOR)}
    key = b""
    if len(data) <= MOST_BYTES:
        key, fresh = AESGCM.generate_key(256), secrets.token_bytes(12)
        box = fresh + AESGCM(key).encrypt(fresh, data, _context(row))
        row["box"] = base64.b64encode(box).decode()
    request.session[PLACE] = row
    return name, key


def waits(request: HttpRequest, name: str, at: datetime) -> bool:
    """Whether this form waits at this address. Another page that asked since took its place."""
    row = _row(request)
    if not row or row["name"] != name or row["where"] != request.get_full_path():
        return False
    return parse_moment(row["until"]) > at


def is_kept(request: HttpRequest) -> bool:
    """Whether there is more than the wish to prove a second factor: a form that goes on after it."""
    return bool(_row(request).get("box"))


def take(request: HttpRequest) -> QueryDict:
    """The form as it was sent, once. Raises FormNotKept."""
    row: dict[str, str] = take_out(request, PLACE) or {}
    try:
        key, box = base64.urlsafe_b64decode(request.COOKIES.get(COOKIE, "")), base64.b64decode(row["box"])
        data = AESGCM(key).decrypt(box[:12], box[12:], _context(row))
    except (KeyError, ValueError, NotBase64, InvalidTag) as problem:
        raise FormNotKept("You are proved for 15 minutes, but what you had filled in is not kept.") from problem
    form = QueryDict(mutable=True)
    for field, values in json.loads(data):
        form.setlist(field, values)
    return form


def take_out(request: HttpRequest, place: str) -> Any:
    """What this session holds at `place`, for one request alone: of two at once the second finds it taken.

    Raises FormNotKept; None where this request never saw anything there.
    """
    if not request.session.get(place):
        return None
    if not open_sessions.taken_out(request.session, place):
        raise FormNotKept("This form was sent a second time at the same moment.")
    return request.session.pop(place)


def hand(answer: HttpResponse, key: bytes) -> HttpResponse:
    """Give the browser the key of its form."""
    answer.set_cookie(
        COOKIE,
        base64.urlsafe_b64encode(key).decode(),
        max_age=GOOD_FOR,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Strict",
    )
    return answer


def _row(request: HttpRequest) -> dict[str, str]:
    found: dict[str, str] = request.session.get(PLACE) or {}
    return found


def _context(row: dict[str, str]) -> bytes:
    return f"{row['name']} {row['where']}".encode()
