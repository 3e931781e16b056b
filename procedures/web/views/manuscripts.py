"""The editor: a procedure's files in the browser, with lint and the form beside them; handed in as any bundle is."""

from __future__ import annotations

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.definitions.findings import Finding
from procedures.definitions.schema import NAME
from procedures.domain import patches
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.models import Manuscript, Version
from procedures.services import manuscripts
from procedures.services.manuscripts import SavedElsewhere, unpacked
from procedures.services.versions import stored_files
from procedures.web import manuscript_form
from procedures.web.doors import page, person_of, show, status_of

Files = dict[str, bytes]


@page
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """`?name=` leads to the editor of that name."""
    name = request.GET.get("name", "").strip()
    if not name:
        return show(request, "manuscript_new.html", nav="procedures")
    try:
        row = _open(request, name)
    except InvalidInput as problem:
        return show(request, "manuscript_new.html", {"problem": problem, "name": name}, status=422, nav="procedures")
    return redirect("web:manuscript", row.name)


def _open(request: HttpRequest, name: str) -> Manuscript:
    if not re.fullmatch(NAME["pattern"], name):
        raise InvalidInput([("/name", "lower case letters, digits and -, at most 63 characters")])
    empty = manuscript_form.empty(name)
    return manuscripts.open_manuscript(actor=person_of(request), name=name, empty=empty, at=now())


@page
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """POST saves what the form holds; with `submit` it is handed in, with `discard` thrown away."""
    row = _open(request, name)
    if request.method == "GET":
        return _shown(request, row, unpacked(row))
    me, at = person_of(request), now()
    if "discard" in request.POST:
        manuscripts.discard_manuscript(actor=me, name=name, at=at)
        return redirect("web:procedures")
    files = unpacked(row)
    try:
        files = manuscript_form.files_from(request, files)
        row = manuscripts.save_manuscript(actor=me, name=name, files=files, revision=_revision(request), at=at)
        if "submit" in request.POST:
            note = request.POST.get("note", "").replace("\r\n", "\n")
            version = manuscripts.submit_manuscript(actor=me, name=name, note=note, at=at)
            return redirect("web:review", version.pk)
    except SavedElsewhere as problem:
        return _shown(request, row, files, problem=problem, theirs=unpacked(row))
    except OpsError as problem:
        return _shown(request, row, files, problem=problem)
    return redirect("web:manuscript", name)


def _revision(request: HttpRequest) -> int:
    text = request.POST.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _shown(
    request: HttpRequest, row: Manuscript, files: Files, *, problem: OpsError | None = None, theirs: Files | None = None
) -> HttpResponse:
    findings = manuscript_form.checked(files)
    sheets = manuscript_form.sheets(files, findings)
    for sheet in sheets:
        if theirs is not None and theirs.get(sheet.path) != files[sheet.path]:
            sheet.theirs = manuscript_form.text_of(theirs.get(sheet.path, b"")) or ""
    lost = sorted(set(theirs or {}) - set(files))
    context = {"row": row, "sheets": sheets, "problem": problem, "lost": lost, "source": _source(row)}
    context |= _side(files, findings)
    context["note"] = request.POST.get("note") or request.session.get(f"note:{row.name}", "")
    status = 200 if problem is None else status_of(problem)
    return show(request, "manuscript.html", context, status=status, nav="procedures")


def _side(files: Files, findings: list[Finding]) -> dict[str, Any]:
    numbers = {sheet.path: sheet.number for sheet in manuscript_form.sheets(files, [])}
    return {
        "findings": [(numbers.get(f.file, 0), f) for f in findings],
        "errors": sum(f.severity == "error" for f in findings),
        "form": manuscript_form.preview(files),
    }


@page
@require_POST
def check(request: HttpRequest, name: str) -> HttpResponse:
    """The findings and the form for what stands in the editor; kept by nobody."""
    row = _open(request, name)
    files = manuscript_form.files_from(request, unpacked(row))
    return render(request, "parts/manuscript_side.html", _side(files, manuscript_form.checked(files)))


def _source(row: Manuscript) -> dict[str, Any]:
    base = Version.objects.filter(procedure__name=row.name, digest=row.base_digest).order_by("-number").first()
    origin: dict[str, Any] = dict(base.origin or {}) if base else {}
    return origin if origin.get("source") else {}


@page
@require_safe
def patch(request: HttpRequest, name: str) -> HttpResponse:
    """What was saved, against the version that came from a git source, as a mail for `git am`."""
    me = person_of(request)
    row = _open(request, name)
    origin = _source(row)
    base = Version.objects.filter(procedure__name=row.name, digest=row.base_digest).order_by("-number").first()
    if not origin or base is None:
        raise NotFound("This procedure comes from no git source.")
    text = patches.mail(
        stored_files(base),
        unpacked(row),
        folder=str(origin.get("folder", "")).strip("/"),
        author=str(me),
        address=me.email or f"{me.username}@opsportal.invalid",
        title=f"{row.name}: changed in the portal's editor",
        at=now(),
    )
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{row.name}.patch"'
    return answer
