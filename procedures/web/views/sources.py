"""Git sources: each with its newest commit, what came of it, and what is wrong with its files."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.queries.sources import every_source, one_source, versions_of
from procedures.services import sources
from procedures.web.doors import page, person_of, show


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me, at = person_of(request), now()
    access.require(me, "author", at=at)
    manages = access.decide(me, "manage_access", at=at).allowed
    return show(request, "sources.html", {"sources": every_source(), "manages": manages, "me": me}, nav="procedures")


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, name: str) -> HttpResponse:
    """POST asks for a look."""
    me, at = person_of(request), now()
    access.require(me, "author", at=at)
    if request.method == "POST":
        sources.ask_for_a_look(actor=me, source=name, at=at)
        return redirect("web:source", name)
    row = one_source(name)
    context = {"source": row, "findings": row.findings.order_by("path"), "versions": versions_of(row)}
    return show(request, "source.html", context, nav="procedures")
