"""Remarks on a version: begun at a line, answered, settled, taken up again; plain forms, one at a time."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from procedures.domain.clock import now
from procedures.domain.errors import NotFound, OpsError
from procedures.queries import pages_reviews
from procedures.services import discussions
from procedures.web import discussion, review_page
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import life

ACTS = {"resolve": discussions.resolve, "reopen": discussions.reopen}


@page
@require_POST
def add(request: HttpRequest, version: UUID) -> HttpResponse:
    """Begin a thread at `on`, or answer in `thread`."""
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    body = request.POST.get("body", "")
    try:
        if request.POST.get("thread"):
            made = discussions.reply(actor=me, thread=_id(request.POST["thread"]), body=body, at=now())
        else:
            on = discussion.place(request.POST.get("on", "")) or discussion.Place("", None)
            made = discussions.comment(actor=me, version=row.pk, body=body, path=on.path, line=on.line, at=now())
    except OpsError as problem:
        said = "said" if request.POST.get("on") else "said_whole"
        typed = {"problem": problem, said: body, "life": life.possible(me, row)}
        context = review_page.context(request, me, row) | typed
        return show(request, "review.html", context, status=status_of(problem), nav="reviews")
    return redirect(f"{reverse('web:review', args=[row.id])}#t-{made.thread_id or made.pk}")


@page
@require_POST
def settle(request: HttpRequest, version: UUID, thread: UUID, act: str) -> HttpResponse:
    """Call a thread settled, or take it up again."""
    row = pages_reviews.one_version(person_of(request), version, now())
    if act not in ACTS:
        raise NotFound("There is no such page.")
    ACTS[act](actor=person_of(request), thread=thread, at=now())
    return redirect(f"{reverse('web:review', args=[row.id])}#t-{thread}")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as problem:
        raise NotFound("There is no such thread.") from problem
