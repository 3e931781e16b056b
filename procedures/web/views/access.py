"""Who may do what, where, until when; and what waits for a second person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from procedures.domain import windows
from procedures.domain.clock import now
from procedures.models import VERBS, ControlChange, Environment, Person, Procedure
from procedures.queries import access_requests, labels, pages_people, pages_policies, spaces
from procedures.services import terms
from procedures.web import control_words
from procedures.web.doors import page, person_of, show

ZONES = ("UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "Asia/Tokyo")


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """Access that holds now; that which ended with `?ended=1`; `?procedure=` and `?verb=` fill the form."""
    me, at, ended = person_of(request), now(), request.GET.get("ended") == "1"
    found = pages_people.grants(me, at, ended=ended)
    return show(
        request,
        "access.html",
        {
            "grants": found,
            "ended": ended,
            "sees_policies": pages_policies.sees(me, at),
            "requests": access_requests.decidable(me, at),
            "mine": access_requests.mine(me),
            "sees_spaces": spaces.concern(me, at),
            "ours": pages_people.managed(me, found, at),
            "soon": {row.pk for row in found if access_requests.extendable(me, row, at)},
            "verbs": VERBS,
            "changes": [(row, _told(row)) for row in pages_people.proposed_changes()],
            "environments": Environment.objects.all(),
            "procedures": Procedure.objects.order_by("title")[:500],
            "people": Person.objects.filter(is_active=True)
            .exclude(kind=Person.Kind.SYSTEM)
            .exclude(pk=me.pk)
            .order_by("name"),
            "groups": Group.objects.order_by("name"),
            **(_for_managers() if access_requests.gives(me, at) else {}),
            "procedure": request.GET.get("procedure", ""),
            "asked": request.GET.getlist("verb"),
        },
        nav="access",
    )


def _for_managers() -> dict[str, Any]:
    """What the forms for access, labels and terms offer."""
    labelled = list(labels.carrying_any()[:500])
    longest = terms.in_force()
    return {
        "labelled": labelled,
        "known_labels": sorted({one for row in labelled for one in row.labels}),
        "terms": longest,
        "usual_days": min(90, *longest.values()),
        "days": windows.DAYS,
        "zones": ZONES,
    }


def _told(change: ControlChange) -> str:
    names = pages_people.names_of(control_words.subjects_in(change.object))
    return control_words.told(change.control, change.object, names)
