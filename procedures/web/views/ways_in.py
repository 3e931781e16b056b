"""How people come in: identity providers, passwords of the portal's own, and accounts that may be one person."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from procedures.domain.clock import now
from procedures.queries import same_person
from procedures.services import cli_codes, identity_providers, local_sign_in
from procedures.web import identity_forms
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """For access managers and auditors."""
    context = {
        "alike": same_person.alike(person_of(request), now()),
        "providers": [(row, identity_forms.what_it_says(row.object)) for row in identity_providers.live()],
        "local": local_sign_in.in_force(),
        "example": identity_forms.EXAMPLE,
        "choices": identity_forms.CHOICES.items(),
    }
    return show(request, "ways_in.html", context, nav="people")


@page
@require_http_methods(["GET", "POST"])
def command_line(request: HttpRequest) -> HttpResponse:
    """A code that brings the command line in as whoever is signed in here."""
    code = cli_codes.make_code(actor=person_of(request), at=now()) if request.method == "POST" else ""
    return show(request, "command_line.html", {"code": code}, nav="settings")
