"""What may happen to a version or a procedure after its review: each a button, a service, and back to its page."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from procedures import access
from procedures.domain.acceptances import is_due
from procedures.domain.clock import now
from procedures.domain.errors import NotFound
from procedures.domain.states import VersionState
from procedures.models import Person, Version
from procedures.queries import pages_reviews
from procedures.queries.due import review_again
from procedures.services import life, versions
from procedures.web.doors import page, person_of


def possible(me: Person, row: Version) -> list[str]:
    """What this person may do with a version now; the service decides again."""
    at = now()
    found = []
    writes = access.decide(me, "author", at=at, procedure=row.procedure).allowed
    if row.state in {VersionState.IN_REVIEW, VersionState.DRAFT} and (row.submitter_id == me.pk or writes):
        found.append("withdraw")
    if writes and not row.draft and row.state not in {VersionState.IN_REVIEW, VersionState.DRAFT}:
        due = row.state != VersionState.ACCEPTED or is_due(row.expires_at, at) or bool(review_again(row, at))
        found += ["resubmit"] if due and row.procedure.retired_at is None else []
    reviews = access.decide(me, "review", at=at, procedure=row.procedure).allowed
    if reviews and row.state in {VersionState.ACCEPTED, VersionState.SUPERSEDED}:
        found.append("revoke")
    return found


@page
@require_POST
def version(request: HttpRequest, version: UUID, act: str) -> HttpResponse:
    me, at = person_of(request), now()
    row = pages_reviews.one_version(me, version, at)
    if act == "withdraw":
        versions.withdraw_version(actor=me, version=row.pk, at=at)
    elif act == "resubmit":
        row = life.resubmit_version(actor=me, version=row.pk, note="reviewed again", at=at)
    elif act == "revoke":
        stops = bool(request.POST.get("cancel_running"))
        reason = request.POST.get("reason", "")
        life.revoke_version(actor=me, version=row.pk, reason=reason, at=at, cancel_running=stops)
    else:
        raise NotFound("There is no such act.")
    return redirect("web:review", row.pk)


@page
@require_POST
def procedure(request: HttpRequest, name: str, act: str) -> HttpResponse:
    me, reason = person_of(request), request.POST.get("reason", "")
    if act == "retire":
        stops = bool(request.POST.get("cancel_running"))
        life.retire_procedure(actor=me, procedure=name, reason=reason, at=now(), cancel_running=stops)
    elif act == "restore":
        life.restore_procedure(actor=me, procedure=name, reason=reason, at=now())
    else:
        raise NotFound("There is no such act.")
    return redirect("web:procedure", name)
