"""One's own notices, and which of them come by mail."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
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
        if "read" in request.POST:
            notices.read(actor=me, notices=pages_notices.ids(request.POST.getlist("read")), at=now())
            messages.success(request, "Marked as read.")
            return redirect("web:notices")
        wanted = set(request.POST.getlist("mail"))
        off = [name for name, kind in KINDS.items() if not kind.security and name not in wanted]
        notices.choose(actor=me, off=off, at=now())
        messages.success(request, "Your choice is kept.")
    told = pages_notices.notices_of(me)
    context = {
        "told": told,
        "unread": [one for one in told if one.notice.read_at is None],
        "choices": pages_notices.choices_of(me),
        "mail": pages_notices.mail_is_on(),
    }
    return show(request, "notices.html", context, nav="settings")
