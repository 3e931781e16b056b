"""How every page is entered and left: signed in, marked as the web door, and refusals shown as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from procedures.domain.clock import now
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed, NotFound, OpsError
from procedures.domain.statements import TooWeak
from procedures.models import Person
from procedures.queries.pages_shell import shell_for
from procedures.queries.separation import separation
from procedures.services.portal import profile_in_force
from procedures.services.unit import door

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
STATUSES: tuple[tuple[type[OpsError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 403),
    (TooWeak, 403),
    (IllegalState, 409),
    (InvalidInput, 422),
)
THEMES = ("light", "dark")


def page(view: View[P]) -> View[P]:
    """A view for people who are signed in; an OpsError becomes a page that says what happened and what to do."""

    @never_cache
    @login_required
    @wraps(view)
    def inner(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        return entered(request, lambda: view(request, *args, **kwargs))

    return inner


def entered(request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """Run a view as the web door."""
    mark = door.set("web")
    try:
        return answer()
    except OpsError as problem:
        return show_problem(request, problem)
    finally:
        door.reset(mark)


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


def theme_of(request: HttpRequest) -> str:
    chosen = request.COOKIES.get("theme", "")
    return chosen if chosen in THEMES else ""


def show_problem(request: HttpRequest, problem: OpsError) -> HttpResponse:
    return show(request, "problem.html", {"problem": problem}, status=status_of(problem))
