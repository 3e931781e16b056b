"""The evidence log: its events, its health, and evidence files to download."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from procedures import access
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound
from procedures.evidence import proofs
from procedures.evidence.events import KINDS
from procedures.evidence.models import Event
from procedures.evidence.offline import PAGE
from procedures.queries import auditing, pages_evidence, retention
from procedures.services import exports, readings
from procedures.web.doors import download, page, person_of, show

FAMILIES = sorted({kind.partition(".")[0] for kind in KINDS})


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me = person_of(request)
    if not access.decide(me, "audit", at=now()).allowed and auditing.reach_of(me, now()):
        return redirect("web:population")  # an engagement sees the runs of its places, and not the whole log
    request.session["saw_evidence"] = True
    wanted = {key: request.GET.get(key, "") for key in ("kind", "procedure", "number", "person", "control")}
    rows, more = pages_evidence.events(before=request.GET.get("before", ""), **wanted)
    context = {
        "events": rows,
        "more": more,
        "health": pages_evidence.health(now()),
        "families": FAMILIES,
        "holds": pages_evidence.holds(),
        "kept": retention.overview(now()),
        "may_hold": access.decide(person_of(request), "manage_access", at=now()).allowed,
    }
    return show(request, "evidence.html", {**context, **wanted}, nav="evidence")


@page
@require_safe
def event(request: HttpRequest, event: UUID) -> HttpResponse:
    found = pages_evidence.one_event(_audited(request, event))
    if found is None:
        raise NotFound("There is no such event.")
    readings.note_read(actor=person_of(request), what=f"event {event}", at=now())
    context = {
        "event": found[0],
        "header": found[1],
        "body": found[2],
        "apart": pages_evidence.kept_apart(event),
        "may_erase": access.decide(person_of(request), "manage_access", at=now()).allowed,
    }
    return show(request, "event.html", context, nav="evidence")


@page
@require_safe
def proof(request: HttpRequest, event: UUID) -> HttpResponse:
    """The file with which anybody shows that the log holds this event."""
    answer = HttpResponse(
        proofs.proof_of(_audited(request, event), body=True), content_type="text/plain; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="event-{event}.tlog-proof"'
    return answer


def _audited(request: HttpRequest, event: UUID) -> UUID:
    """The event, if this person audits it. Raises NotAllowed for whoever audits nothing, NotFound."""
    auditing.reach_of(person_of(request), now())
    row = Event.objects.filter(pk=event).first()
    if row is None or not auditing.audits_event(person_of(request), row, now()):
        raise NotFound("There is no such event.")
    return event


@page
@require_POST
def export(request: HttpRequest) -> FileResponse:
    """An evidence file for a period and place, by the service that writes them."""
    wanted = {name: request.POST.get(name, "") for name in ("procedure", "environment")}
    wanted |= {"from": _day(request, "from"), "to": _day(request, "to", last=True)}
    file, _ = exports.export(actor=person_of(request), wanted=wanted, at=now())
    name = f"evidence-{now():%Y%m%dT%H%M%SZ}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@page
@require_safe
def verifier(request: HttpRequest) -> HttpResponse:
    """The verifier as one offline page, to be kept; it is the same for everybody who is signed in."""
    return download(PAGE.read_bytes(), "verify.html")


def _day(request: HttpRequest, name: str, *, last: bool = False) -> str:
    """A day's first moment, or its last one, as evidence writes moments; empty if none was given."""
    text = request.POST.get(name, "")
    if not text:
        return ""
    try:
        day = date.fromisoformat(text)
    except ValueError as problem:
        raise InvalidInput([(f"/{name}", "is not a date such as 2026-11-24")]) from problem
    return moment(datetime.combine(day, time.max if last else time.min, tzinfo=UTC))
