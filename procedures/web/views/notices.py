"""One's own notices, and which of them come by mail."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from procedures.domain.clock import now
from procedures.domain.notices import KINDS
from procedures.queries import pages_notices
from procedures.services import notices
from procedures.web.doors import page, person_of, show


@page
@require_http_methods(["GET", "POST"])
def mine(request: HttpRequest) -> HttpResponse:
    me = person_of(request)
    if request.method == "POST":
        wanted = set(request.POST.getlist("mail"))
        off = [name for name, kind in KINDS.items() if not kind.security and name not in wanted]
        notices.choose(actor=me, off=off, at=now())
        messages.success(request, "Your choice is kept.")
    context = {
        "told": pages_notices.notices_of(me),
        "choices": pages_notices.choices_of(me),
        "mail": pages_notices.mail_is_on(),
    }
    return show(request, "notices.html", context, nav="settings")
