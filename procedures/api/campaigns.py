"""Campaigns over REST: what a selection would open, the campaigns, their grants with their use, the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import inputs, shapes
from procedures.api.door import Door, attached, page, uuid
from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.models import Campaign, CampaignItem
from procedures.queries import campaign_results, grant_use
from procedures.queries import campaigns as queries
from procedures.services import campaigns, controls
from procedures.services.given import object_of

SIZE = 100


class Campaigns(Door):
    """GET lists; POST opens one by the object that `offer` gave, signed."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request) -> Response:
        rows = list(queries.seen_by(self.actor, now())[:200])
        done = queries.progress(rows)
        return Response({"results": [told(row, done[row.pk]) for row in rows], "next": None, "previous": None})

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.ALLOW, request.data)
        change = controls.propose(
            actor=self.actor,
            control="campaign",
            object=data["object"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        row = queries.one(self.actor, UUID(change.object["campaign"]), now())
        return Response(told(row, queries.progress([row])[row.pk]), status=201)


class Offer(Door):
    """POST {name, due_at, reviewers, select}: the campaign that this would open; nothing is stored."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request) -> Response:
        data = inputs.checked(inputs.CAMPAIGN, request.data)
        try:
            due = parse_moment(data["due_at"])
        except ValueError as problem:
            raise InvalidInput([("/due_at", "is no moment like 2026-11-25T12:00:00.000000Z")]) from problem
        made = campaigns.offer(
            actor=self.actor,
            name=data["name"],
            select=data.get("select", {}),
            due_at=due,
            reviewers=data["reviewers"],
            at=now(),
        )
        return Response({"object": made})


class OneCampaign(Door):
    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> Response:
        row = queries.one(self.actor, uuid(pk), now())
        return Response(told(row, queries.progress([row])[row.pk]))


class Items(Door):
    """The grants of a campaign with their use, `?after=`, `?undecided=1`; a hundred at a time."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> Response:
        at = now()
        row = queries.one(self.actor, uuid(pk), at)
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdigit():
            raise InvalidInput([("/after", "is what `next` of the page before said")])
        found = queries.items(row, after=int(after), size=SIZE, undecided=bool(request.query_params.get("undecided")))
        uses = grant_use.used([item.grant for item in found], at)
        return Response(
            page(found, SIZE, lambda item: item_told(item, uses[item.grant_id]), lambda item: f"?after={item.pk}")
        )


class Keep(Door):
    """POST {grants, reason, signature}: these stay as they are."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.KEEP, request.data)
        row = queries.one(self.actor, uuid(pk), now())
        object = {"campaign": str(row.pk), "grants": data["grants"], "reason": data["reason"]}
        change = controls.propose(
            actor=self.actor,
            control="campaign_keep",
            object=object,
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response(shapes.change(change), status=201)


class Revoke(Door):
    """POST {grants: [one], reason, signature}: it ends now."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.KEEP, request.data)
        if len(data["grants"]) != 1:
            raise InvalidInput([("/grants", "holds exactly one: each end is signed by itself")])
        item = campaigns.revoke(
            actor=self.actor,
            campaign=uuid(pk),
            grant=uuid(data["grants"][0]),
            reason=data["reason"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        return Response({"grant": str(item.grant_id), "decision": item.decision})


class Narrow(Door):
    """POST {object, signature}: the narrower grant, which names in `replaces` what it takes the place of."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def post(self, request: Request, pk: str) -> Response:
        data = inputs.checked(inputs.ALLOW, request.data)
        item, change = campaigns.narrow(
            actor=self.actor,
            campaign=uuid(pk),
            object=data["object"],
            signature=data.get("signature"),
            at=now(),
            bearer=self.bearer,
        )
        answer = {"grant": str(item.grant_id), "decision": item.decision, "change": shapes.change(change)}
        return Response(answer, status=201 if item.decision else 202)


class Results(Door):
    """The result as CSV or, with `?as=json`, as JSON."""

    by_token: ClassVar[Mapping[str, str]] = {}

    def get(self, request: Request, pk: str) -> HttpResponse:
        row = queries.one(self.actor, uuid(pk), now())
        if request.query_params.get("as") == "json":
            data, kind, name = campaign_results.as_json(row), "application/json", f"campaign-{row.pk}.json"
        else:
            data, kind, name = campaign_results.as_csv(row), "text/csv; charset=utf-8", f"campaign-{row.pk}.csv"
        return attached(HttpResponse(data, content_type=kind), name)


def told(row: Campaign, done: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "select": row.select,
        "count": row.count,
        "digest": row.set_digest,
        "state": row.state,
        "opened_by": row.opened_by.username,
        "opened_at": shapes.at(row.opened_at),
        "due_at": shapes.at(row.due_at),
        "closed_at": shapes.at(row.closed_at),
        "reviewers": row.reviewers,
        "progress": done,
    }


def item_told(item: CampaignItem, use: grant_use.Use) -> dict[str, Any]:
    return {
        "grant": shapes.grant(item.grant),
        "narrower": object_of(item.grant, now()),
        "decision": item.decision or "undecided",
        "decided_by": item.decided_by.username if item.decided_by else None,
        "reason": item.reason,
        "waits": str(item.change_id) if item.change_id and not item.decision else None,
        "use": {
            "runs": use.runs,
            "last_at": shapes.at(use.last_at),
            "unused_90_days": use.idle,
            "procedures": sorted(use.procedures),
            "environments": sorted(use.environments),
            "unused_environments": use.spare,
            "targets": sorted(use.targets)[:50],
            "parameters": use.parameters,
        },
    }
