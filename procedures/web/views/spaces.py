"""Spaces: who leads which procedures, inside which limits, and what was given there."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.domain.clock import now
from procedures.domain.definition import RISKS
from procedures.domain.spaces import GIVEN
from procedures.models import Environment, Person, Procedure
from procedures.queries import spaces
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Every space for managers and auditors, the own ones for leads; managers propose one here."""
    me, at = person_of(request), now()
    return show(
        request,
        "spaces.html",
        {
            "spaces": spaces.shown(me, at),
            "verbs": GIVEN,
            "risks": RISKS,
            "environments": Environment.objects.all(),
            "procedures": Procedure.objects.order_by("title")[:500],
            "people": Person.objects.filter(is_active=True, kind=Person.Kind.PERSON).exclude(pk=me.pk).order_by("name"),
            "groups": Group.objects.order_by("name"),
        },
        nav="access",
    )
