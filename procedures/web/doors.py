"""How every page is entered and left: signed in, marked as the web door, and refusals shown as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound, OpsError
from procedures.domain.statements import TooWeak, nonce
from procedures.evidence.cold import ColdMissing
from procedures.models import Person
from procedures.queries.pages_shell import shell_for
from procedures.queries.separation import separation
from procedures.services import step_up
from procedures.services.portal import profile_in_force
from procedures.services.unit import door
from procedures.web import kept, signing
from procedures.web.asking import with_files

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
STATUSES: tuple[tuple[type[OpsError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (TooWeak, 403),
    (IllegalState, 409),
    (InvalidInput, 422),
    (ColdMissing, 500),
)
THEMES = ("light", "dark")
STEP_UP = "step_up"


def page(view: View[P]) -> View[P]:
    """A view for people who are signed in; an OpsError becomes a page that says what happened and what to do."""

    @never_cache
    @login_required
    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return entered(request, lambda: view(request, *args, **kwargs))

    return inner


def entered(request: HttpRequest, answer: Callable[[], R]) -> R | HttpResponse:
    """Run a view as the web door."""
    mark = door.set("web")
    try:
        if request.method == "POST" and STEP_UP in request.POST:
            return _goes_on(request, answer)
        return answer()
    except (step_up.StepUpNeeded, _NotProved) as problem:
        return _ask_for_proof(request, problem)
    except OpsError as problem:
        return show_problem(request, problem)
    finally:
        door.reset(mark)


class _NotProved(Exception):
    """The second factor that a page asked for was not proved; `problem` says why."""

    def __init__(self, problem: OpsError) -> None:
        self.problem = problem


def _goes_on(request: HttpRequest, answer: Callable[[], R]) -> R | HttpResponse:
    """Take the second factor, then the form that waited for it, as it was sent first."""
    if not kept.waits(request, request.POST[STEP_UP], now()):
        raise kept.FormNotKept("This form waits no more: it was sent, is 15 minutes old, or another took its place.")
    _step_up(request)
    form = kept.take(request)
    request.session.cycle_key()
    request.POST = form  # type: ignore[assignment]
    shown = answer()
    shown.delete_cookie(kept.COOKIE, samesite="Strict")
    return shown


def _step_up(request: HttpRequest) -> None:
    """Take the second factor that the page asked for. Its nonce is used up whether the factor fits or not.

    Raises FormNotKept where the same form came twice at once.
    """
    me, call = person_of(request), access.calling(person_of(request))
    fresh = kept.take_out(request, STEP_UP) or ""
    try:
        if call is None or call.session is None or not fresh:
            raise NotAllowed("This page asked too long ago for a second factor.")
        step_up.step_up(actor=me, session=call.session, fresh=fresh, given=signing.given(request.POST), at=now())
    except OpsError as problem:
        raise _NotProved(problem) from problem


def _ask_for_proof(request: HttpRequest, problem: Exception) -> HttpResponse:
    """A page that asks for a second factor; what was typed waits at the server, and no page shows it."""
    me, call = person_of(request), access.calling(person_of(request))
    if call is None or call.session is None:
        return show_problem(request, NotAllowed(str(problem)))
    again, key = request.POST.get(STEP_UP, ""), b""
    if not again:
        request.POST = with_files(request)  # type: ignore[assignment]
        again, key = kept.keep(request, without=("csrfmiddlewaretoken", *signing.FIELDS), at=now())
    fresh = request.session[STEP_UP] = nonce()
    statement = step_up.statement_for(actor=me, session=call.session, fresh=fresh)
    answer = show(
        request,
        "step_up.html",
        {
            "form": again,
            "is_kept": kept.waits(request, again, now()) and kept.is_kept(request),
            "where": request.get_full_path(),
            "why": problem if isinstance(problem, step_up.StepUpNeeded) else None,
            "problem": problem.problem if isinstance(problem, _NotProved) else None,
            "ask": signing.ask(statement, "totp", me),
        },
        status=403,
    )
    return kept.hand(answer, key) if key else answer


def person_of(request: HttpRequest) -> Person:
    """Whoever is signed in. Only behind `page`."""
    if not isinstance(request.user, Person):
        raise NotAllowed("Nobody is signed in.")
    return request.user


def status_of(problem: OpsError) -> int:
    return next((status for kind, status in STATUSES if isinstance(problem, kind)), 400)


def show(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200, nav: str = ""
) -> HttpResponse:
    """Render a page inside the frame; `nav` is the current item of the rail."""
    frame: dict[str, Any] = {"nav": nav, "theme": theme_of(request), "at": now()}
    if isinstance(request.user, Person):
        frame |= {
            "me": request.user,
            "shell": shell_for(request.user, now()),
            "profile": profile_in_force(),
            "separation": separation(),
        }
    return render(request, template, {**frame, **(context or {})}, status=status)


def download(content: bytes, name: str) -> HttpResponse:
    """A file that others made: kept, never shown, never guessed at (H29)."""
    answer = HttpResponse(content, content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def theme_of(request: HttpRequest) -> str:
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else ""


def show_problem(request: HttpRequest, problem: OpsError) -> HttpResponse:
    return show(request, "problem.html", {"problem": problem, "back": came_from(request)}, status=status_of(problem))


def came_from(request: HttpRequest) -> str:
    """The page of ours on which this was asked for; empty where that is not known, or is this one."""
    there = request.headers.get("referer", "")
    known = url_has_allowed_host_and_scheme(
        there, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    here = request.method == "GET" and there == request.build_absolute_uri()
    return there if known and there.startswith("http") and not here else ""
