"""Campaigns on pages: the list, one with what its grants were used for, and the decisions, each shown to be signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from procedures.domain.campaigns import SELECTS, CampaignState
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.models import Campaign, Person
from procedures.queries import campaign_results, grant_use
from procedures.queries import campaigns as queries
from procedures.services import campaigns, controls
from procedures.services.given import object_of
from procedures.web import signing, words
from procedures.web.doors import page, person_of, show, status_of
from procedures.web.views import changes

SIZE = 50
LABELS = {"owner": "given by"}


@page
@require_http_methods(["GET", "POST"])
def listing(request: HttpRequest) -> HttpResponse:
    """Campaigns; POST shows the one that the form would open, to be signed."""
    me, at = person_of(request), now()
    rows = list(queries.seen_by(me, at)[:200])
    done = queries.progress(rows)
    context: dict[str, Any] = {
        "rows": [(row, done[row.pk]) for row in rows],
        "mine": {row.pk for row in queries.waiting(me, at)},
        "selects": [(name, LABELS.get(name, name), request.POST.get(name, "")) for name in SELECTS],
        "posted": request.POST,
    }
    if request.method == "GET":
        return show(request, "campaigns.html", context, nav="access")
    try:
        made = _offered(me, request.POST)
    except OpsError as problem:
        return show(request, "campaigns.html", context | {"problem": problem}, status=status_of(problem), nav="access")
    return _propose(request, me, "campaign", made, reverse("web:new-change", args=["campaign"]))


def _offered(me: Person, posted: QueryDict) -> dict[str, Any]:
    try:
        days = int(posted.get("days", ""))
    except ValueError as problem:
        raise InvalidInput([("/days", "is not a whole number")]) from problem
    if not 1 <= days <= 365:
        raise InvalidInput([("/days", "is 1 to 365")])
    at = now()
    return campaigns.offer(
        actor=me,
        name=posted.get("name", ""),
        select={name: posted.get(name, "") for name in SELECTS},
        due_at=at + timedelta(days=days),
        reviewers=posted.get("reviewers", "").replace(",", " ").split(),
        at=at,
    )


@page
@require_safe
def one(request: HttpRequest, campaign: UUID) -> HttpResponse:
    """A campaign's grants, `?after=`, `?undecided=1`."""
    me = person_of(request)
    row = queries.one(me, campaign, now())
    return show(request, "campaign.html", _context(request, me, row), nav="access")


@page
@require_POST
def decide(request: HttpRequest, campaign: UUID, act: str) -> HttpResponse:
    """Keep, narrow or revoke: first shown to be signed; then, with `object`, done."""
    me, at = person_of(request), now()
    row = queries.one(me, campaign, at)
    if act not in {"keep", "narrow", "revoke"}:
        raise NotFound("There is no such page.")
    control = {"keep": "campaign_keep", "narrow": "grant", "revoke": "grant_end"}[act]
    try:
        if "object" not in request.POST:
            return _propose(request, me, control, _wanted(row, act, request.POST), request.path)
        _carry_out(me, row, act, changes.object_in(request.POST["object"]), signing.given(request.POST))
    except OpsError as problem:
        context = _context(request, me, row) | {"problem": problem}
        return show(request, "campaign.html", context, status=status_of(problem), nav="access")
    messages.success(request, "Decided, and in the evidence.")
    return redirect("web:campaign", row.pk)


def _wanted(row: Campaign, act: str, posted: QueryDict) -> dict[str, Any]:
    """The control object of a decision, from the form."""
    reason = posted.get("reason", "").strip()
    if act == "keep":
        return {"campaign": str(row.pk), "grants": posted.getlist("grant"), "reason": reason}
    grant = posted.get("grant", "")
    if act == "revoke":
        return {"grant": grant, "reason": reason}
    try:
        item = queries.item(row, UUID(grant))
    except ValueError as problem:
        raise NotFound("This campaign holds no such access.") from problem
    made = object_of(item.grant, now()) | {"reason": reason}
    return made | {name: posted.getlist(name) for name in ("verbs", "environments")}


def _carry_out(me: Person, row: Campaign, act: str, made: dict[str, Any], signature: dict[str, Any] | None) -> None:
    at = now()
    if act == "keep":
        controls.propose(actor=me, control="campaign_keep", object=made, signature=signature, at=at)
    elif act == "narrow":
        campaigns.narrow(actor=me, campaign=row.pk, object=made, signature=signature, at=at)
    else:
        grant, reason = UUID(str(made.get("grant"))), str(made.get("reason"))
        campaigns.revoke(actor=me, campaign=row.pk, grant=grant, reason=reason, signature=signature, at=at)


@page
@require_safe
def results(request: HttpRequest, campaign: UUID, form: str) -> HttpResponse:
    """The result as a file."""
    row = queries.one(person_of(request), campaign, now())
    made = {"csv": (campaign_results.as_csv, "text/csv; charset=utf-8")}
    made["json"] = (campaign_results.as_json, "application/json")
    if form not in made:
        raise NotFound("There is no such file.")
    write, kind = made[form]
    answer = HttpResponse(write(row), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="campaign-{row.pk}.{form}"'
    return answer


def _propose(request: HttpRequest, me: Person, control: str, made: dict[str, Any], act: str) -> HttpResponse:
    context = changes.proposal(request, me, control, made)
    return show(request, "propose.html", context | {"act": act, "next": "/access/campaigns/"}, nav="access")


def _context(request: HttpRequest, me: Person, row: Campaign) -> dict[str, Any]:
    at, after = now(), request.GET.get("after", "0")
    undecided = bool(request.GET.get("undecided"))
    number = int(after) if after.isascii() and after.isdigit() else 0
    items = queries.items(row, after=number, size=SIZE, undecided=undecided)
    shown = items[:SIZE]
    uses = grant_use.used([item.grant for item in shown], at)
    own = queries.own(me, [item.grant for item in shown])
    reviews = queries.reviews(me, row, at) and row.state == CampaignState.OPEN and row.due_at > at
    done = sorted(queries.progress([row])[row.pk].items(), key=lambda pair: pair[0] != "undecided")
    return {
        "campaign": row,
        "done": [(words.status("item", name).word.lower(), count) for name, count in done],
        "items": [(item, uses[item.grant_id], item.grant_id in own) for item in shown],
        "choices": any(not item.decision and item.grant_id not in own for item in shown),
        "more": shown[-1].pk if len(items) > SIZE else None,
        "undecided": undecided,
        "reviews": reviews,
        "reviewers": queries.names(row.reviewers),
    }
