"""People, groups and duties; inviting somebody."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.definition import DUTIES
from procedures.domain.errors import NotFound, OpsError
from procedures.domain.ids import uuid7
from procedures.domain.profiles import PROFILES
from procedures.models import Person
from procedures.queries import pages_people
from procedures.services import accounts, leavers, people, sessions
from procedures.web.doors import page, person_of, show, status_of


def _lists(me: Person) -> dict[str, object]:
    return {
        "service_accounts": accounts.accounts_for(me, now()),
        "fresh": uuid7(),
        "orphans": leavers.orphans(me, now()),
        "people": pages_people.people(),
        "groups": pages_people.groups(),
        "duties": DUTIES,
        "code_apps": pages_people.with_code_app(),
        "profiles": PROFILES,
        "group_names": Group.objects.order_by("name").values_list("name", flat=True),
    }


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    return show(request, "people.html", _lists(person_of(request)), nav="people")


@page
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """A person without rights, and a link to hand over that is shown once."""
    typed = {name: request.POST.get(name, "").strip() for name in ("username", "name", "email", "kind")}
    try:
        person, path = people.invite_person(actor=person_of(request), at=now(), bearer=False, **typed)
    except OpsError as problem:
        return show(
            request,
            "people.html",
            _lists(person_of(request)) | {"problem": problem, "typed": typed},
            status=status_of(problem),
            nav="people",
        )
    return show(
        request,
        "people.html",
        _lists(person_of(request)) | {"invited": person, "link": settings.OPSPORTAL_PUBLIC_URL + path},
        status=201,
        nav="people",
    )


@page
@require_POST
def let_in(request: HttpRequest) -> HttpResponse:
    """Somebody whom wrong passwords of others keep out gets in for ten minutes from any address."""
    subject = pages_people.as_subject(request.POST.get("person", ""))
    if subject is None:
        raise NotFound("There is no such person.")
    row = sessions.let_in(actor=person_of(request), person=subject, at=now())
    messages.success(request, f"{row} can sign in now, from anywhere.")
    return redirect("web:people")


@page
@require_POST
def close(request: HttpRequest) -> HttpResponse:
    """Shut an account at once: its session, its tokens and its signatures end."""
    subject = pages_people.as_subject(request.POST.get("person", ""))
    try:
        if subject is None:
            raise NotFound("There is no such person.")
        row = leavers.close_person(actor=person_of(request), person=subject, at=now())
    except OpsError as problem:
        return show(
            request,
            "people.html",
            _lists(person_of(request)) | {"problem": problem},
            status=status_of(problem),
            nav="people",
        )
    messages.success(request, f"{row} can do nothing any more.")
    return redirect("web:people")
