"""Versions under review: what they may touch, which bytes changed, and the reviewer's decision."""

from __future__ import annotations

import io
import zipfile
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.domain.clock import now
from procedures.domain.decide_by import review_by
from procedures.domain.errors import NotFound, OpsError
from procedures.queries import pages_reviews, pages_shell, passed_on
from procedures.queries.due import due_for_review, moved_on
from procedures.queries.duties import duties_of
from procedures.queries.reach import grown
from procedures.services import reviews, trials
from procedures.web import review_page, signing
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import life


@page
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    me = person_of(request)
    reviewable = pages_shell.reviewable(me, now())
    mine = {version.id for version in reviewable}
    held = duties_of(me)
    rows = [
        (
            version,
            version.id in mine,
            missing,
            [duty for duty in missing if duty in held] if version.id in mine else [],
            review_by(version.submitted_at),
        )
        for version in pages_reviews.reviews_for(me, now())
        for missing in [reviews.still_missing(version)]
    ]
    context = {
        "rows": rows,
        "due": [(row, moved_on(row, now()), grown(row, now())) for row in due_for_review(me, now())],
    }
    context["beside"] = passed_on.beside(me, reviewable, now())
    return show(request, "reviews.html", context, nav="reviews")


@page
@require_http_methods(["GET", "POST"])
def one(request: HttpRequest, version: UUID) -> HttpResponse:
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    if request.method == "GET":
        context = review_page.context(request, me, row) | {"life": life.possible(me, row)}
        return show(request, "review.html", context, nav="reviews")
    try:
        if (looked := review_page.looked_at(request, me, row)) is not None:
            return show(request, "review.html", looked | {"life": life.possible(me, row)}, nav="reviews")
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
        typed = {"problem": problem, "comment": request.POST.get("comment", ""), "life": life.possible(me, row)}
        context = review_page.context(request, me, row) | typed
        return show(request, "review.html", context, status=status_of(problem), nav="reviews")
    return redirect("web:review", row.id)


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


@page
@require_safe
def file(request: HttpRequest, version: UUID) -> HttpResponse:
    """One file of a version as its bytes: saved, never shown by the browser."""
    row = pages_reviews.one_version(person_of(request), version, now())
    found = row.files.filter(path=request.GET.get("path", "")).first()
    if found is None:
        raise NotFound("There is no such file in this version.")
    answer = HttpResponse(bytes(found.content), content_type="application/octet-stream")
    name = found.path.rpartition("/")[2]
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


@page
@require_POST
def test_again(request: HttpRequest, version: UUID) -> HttpResponse:
    me = person_of(request)
    row = pages_reviews.one_version(me, version, now())
    try:
        trials.test_again(actor=me, version=row.id, at=now())
    except OpsError as problem:
        context = review_page.context(request, me, row) | {"problem": problem, "life": life.possible(me, row)}
        return show(request, "review.html", context, status=status_of(problem), nav="reviews")
    return redirect("web:review", row.id)
