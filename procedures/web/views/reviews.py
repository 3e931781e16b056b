"""Versions under review: what they may touch, which bytes changed, and the reviewer's decision."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures import access
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.profiles import review_requirement
from procedures.domain.states import VersionState
from procedures.models import Person, Review, Version
from procedures.queries import pages_reviews, pages_shell
from procedures.queries.due import due_for_review
from procedures.queries.duties import duties_of
from procedures.services import reviews
from procedures.services.portal import profile_in_force
from procedures.web import signing
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import life


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me = person_of(request)
    mine = {version.id for version in pages_shell.reviewable(me, now())}
    rows = [
        (version, version.id in mine, reviews.still_missing(version))
        for version in pages_reviews.reviews_for(me, now())
    ]
    context = {"rows": rows, "due": due_for_review(me, now())}
    return show(request, "reviews.html", context, nav="reviews")


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, version: UUID) -> HttpResponse:
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    if request.method == "GET":
        return show(request, "review.html", _context(request, me, row), nav="reviews")
    try:
        reviews.review_version(
            actor=me,
            version=row.id,
            digest=request.POST.get("digest", ""),
            verdict=request.POST.get("verdict", ""),
            duties=request.POST.getlist("duties"),
            comment=request.POST.get("comment", "")[:10_000],
            signature=signing.given(request.POST),
            at=now(),
        )
    except OpsError as problem:
        row.refresh_from_db()
        context = _context(request, me, row) | {"problem": problem, "comment": request.POST.get("comment", "")}
        return show(request, "review.html", context, status=status_of(problem), nav="reviews")
    return redirect("web:review", row.id)


def _context(request: HttpRequest, me: Person, version: Version) -> dict[str, Any]:
    base = pages_reviews.base_of(version)
    given = list(version.reviews.filter(lifted_at__isnull=True).select_related("reviewer").order_by("at"))
    requirement = review_requirement(profile_in_force(), version.risk)  # type: ignore[arg-type]
    context: dict[str, Any] = {
        "version": version,
        "base": base,
        "reaches": pages_reviews.reaches(base, version),
        "given": given,
        "files": pages_reviews.file_diffs(base, version),
        "requirement": requirement,
        "missing": reviews.still_missing(version),
        "authors": version.authors.select_related("person"),
        "why_not": _why_not(me, version, given),
        "life": life.possible(me, version),
        "liftable": version.state == VersionState.IN_REVIEW
        and any(r.reviewer_id == me.pk and r.verdict == Review.Verdict.REQUEST_CHANGES for r in given),
    }
    context["wider"] = sum(reach.effect in {"wider", "changed"} for reach in context["reaches"])
    context["narrower"] = sum(reach.effect == "narrower" for reach in context["reaches"])
    if not context["why_not"]:
        held = duties_of(me)
        posted = request.POST if request.method == "POST" else request.GET
        verdict = posted.get("verdict", "accept")
        chosen = [duty for duty in posted.getlist("duties") if duty in held] or held
        context |= {
            "held": held,
            "chosen": chosen,
            "verdict": verdict if verdict in Review.Verdict.values else "accept",
        }
        statement = reviews.statement_for(actor=me, version=version, verdict=context["verdict"], duties=chosen)
        context["ask"] = signing.ask(statement, reviews.minimum_strength(version))
    return context


def _why_not(me: Person, version: Version, given: list[Review]) -> str:
    """Why this person has no decision to make, or an empty string. The service decides again."""
    if version.state != VersionState.IN_REVIEW:
        return "This version is not in review any more."
    if version.submitter_id == me.pk or version.authors.filter(person=me).exists():
        return "You wrote or submitted this, so somebody else must decide."
    if any(row.reviewer_id == me.pk for row in given):
        return "You have decided. Another reviewer must give theirs."
    decision = access.decide(me, "review", at=now(), procedure=version.procedure)
    return "" if decision.allowed else "Reviewing this is not among your rights. Ask an access manager."


@page
@require_POST
def lift(request: HttpRequest, version: UUID) -> HttpResponse:
    """Take back one's own request for changes."""
    row = pages_reviews.one_version(person_of(request), version, now())
    reviews.lift(actor=person_of(request), version=row.pk, at=now())
    return redirect("web:review", row.id)


@page
@require_safe
def bundle(request: HttpRequest, version: UUID) -> HttpResponse:
    """All files of a version as a ZIP."""
    row = pages_reviews.one_version(person_of(request), version, now())
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        for file in row.files.order_by("path"):
            archive.writestr(zipfile.ZipInfo(file.path), bytes(file.content))
    answer = HttpResponse(box.getvalue(), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="{row.procedure.name}-v{row.number}.zip"'
    return answer
