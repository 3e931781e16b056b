"""Signing in and out, and the two one-time links: the first access manager's and an invitation."""

from __future__ import annotations

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.models import OneTimeLink, Person
from procedures.services import bootstrap, identity_providers, local_sign_in, open_sessions, sessions
from procedures.services.unit import door
from procedures.web.doors import show, show_problem, status_of


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in by name and password; then on to the page that was asked for."""
    onward = request.POST.get("next") or request.GET.get("next") or "/"
    if not url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()}):
        onward = "/"
    if request.user.is_authenticated:
        return redirect(onward)
    context = {"next": onward, "username": request.POST.get("username", ""), **ways()}
    if request.method == "GET":
        return show(request, "login.html", context)
    mark = door.set("web")
    try:
        sessions.open_session(
            request, username=request.POST.get("username", ""), password=request.POST.get("password", ""), at=now()
        )
    except sessions.WrongPassword:
        return show(request, "login.html", context | {"wrong": True}, status=401)
    except sessions.TooManyTries as problem:
        return show(request, "login.html", context | {"problem": problem}, status=429)
    except local_sign_in.LocalSignInOff as problem:
        return show(request, "login.html", context | {"problem": problem}, status=403)
    finally:
        door.reset(mark)
    return redirect(onward)


def ways() -> dict[str, object]:
    """How people may sign in here: what the page to sign in shows."""
    return {"providers": identity_providers.live(), "local": local_sign_in.in_force()}


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    open_sessions.leave(request, at=now())
    logout(request)
    return redirect("web:login")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The first access manager names an account; the link works once."""
    if request.method == "GET":
        return _opened(request, token, OneTimeLink.Purpose.BOOTSTRAP, {"first": True})
    typed = {name: request.POST.get(name, "") for name in ("username", "name", "password", "public_key")}
    try:
        person = bootstrap.use_first_link(token=token, at=now(), **typed)
    except OpsError as problem:
        typed.pop("password")
        return show(request, "welcome.html", {"first": True, "problem": problem, **typed}, status=status_of(problem))
    return _in(request, person)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """An invited person sets a password; the link works once."""
    if request.method == "GET":
        return _opened(request, token, OneTimeLink.Purpose.INVITE, _invited(token))
    try:
        person = bootstrap.accept_invite(token=token, password=request.POST.get("password", ""), at=now())
    except OpsError as problem:
        return show(request, "welcome.html", _invited(token) | {"problem": problem}, status=status_of(problem))
    return _in(request, person)


def _opened(request: HttpRequest, token: str, purpose: str, context: dict[str, object]) -> HttpResponse:
    """The form behind a link, or at once that the link leads nowhere any more."""
    try:
        bootstrap.require_live(token, purpose, now())
    except bootstrap.LinkUsed as problem:
        return show_problem(request, problem)
    return show(request, "welcome.html", context)


def _invited(token: str) -> dict[str, object]:
    return {"first": False, "token": token, **ways()}


def _in(request: HttpRequest, person: Person) -> HttpResponse:
    mark = door.set("web")
    open_sessions.begin(request, person, at=now())
    door.reset(mark)
    return redirect("web:home")
