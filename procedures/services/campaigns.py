"""Campaigns: what would be opened, and the decisions that end or narrow a grant. Keeping is a control change itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain import access_requests as rules
from procedures.domain import control_shapes
from procedures.domain.campaigns import ItemDecision, set_digest
from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.ids import uuid7
from procedures.domain.states import StateConflict
from procedures.models import Campaign, CampaignItem, ControlChange, Grant, Person
from procedures.queries import campaigns
from procedures.services import campaign_effects, controls
from procedures.services.given import asked_of, object_of
from procedures.services.unit import thing


def offer(
    *, actor: Person, name: str, select: Mapping[str, str], due_at: datetime, reviewers: Sequence[str], at: datetime
) -> dict[str, Any]:
    """The campaign that this selection would open, to be signed and proposed. Raises NotAllowed, InvalidInput."""
    access.require(actor, "manage_access", at=at)
    wanted = {key: value.strip() for key, value in select.items() if value.strip()}
    if problems := campaigns.unknown(wanted):
        raise InvalidInput(problems)
    people = {p.username: str(p.subject) for p in Person.objects.filter(username__in=reviewers, is_active=True)}
    if missing := [who for who in reviewers if who not in people]:
        raise InvalidInput([("/reviewers", f"{missing[0]!r} is nobody's user name")])
    grants = campaigns.selected(wanted, at)
    if not grants:
        raise InvalidInput([("/select", "finds no access that holds now and stands in no other open campaign")])
    return {
        "campaign": str(uuid7()),
        "name": name.strip(),
        "select": wanted,
        "grants": set_digest(map(str, grants)),
        "count": len(grants),
        "due_at": moment(due_at),
        "reviewers": sorted(people.values()),
        "undecided": "lapses",
    }


@thing
def revoke(
    *,
    actor: Person,
    campaign: UUID,
    grant: UUID,
    reason: str,
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> CampaignItem:
    """End one grant now. Raises NotFound, NotAllowed, SecondPersonRequired, CampaignOver, StateConflict."""
    row = _deciding(actor, campaign, grant, at, bearer=bearer)
    object = {"grant": str(grant), "reason": reason}
    change = controls.put_forward(actor=actor, control="grant_end", object=object, signature=signature, at=at)
    done = [str(grant)]
    campaign_effects.settle(row, done, ItemDecision.REVOKE, actor=actor, reason=reason, change=change, at=at)
    return campaigns.item(row, grant)


@thing
def narrow(
    *,
    actor: Person,
    campaign: UUID,
    object: Mapping[str, Any],
    signature: Mapping[str, Any] | None,
    at: datetime,
    bearer: bool = False,
) -> tuple[CampaignItem, ControlChange]:
    """Put a narrower grant in the place of the one that it `replaces`, by one signature over both.

    Raises as `revoke`, and InvalidInput for what is not narrower.
    """
    control_shapes.check("grant", object)
    if "replaces" not in object:
        raise InvalidInput([("/object/replaces", "is required: say which access this narrows")])
    old = UUID(object["replaces"])
    row = _deciding(actor, campaign, old, at, bearer=bearer)
    item = campaigns.item(row, old)
    if item.change_id is not None:
        raise StateConflict("A narrower grant waits for its confirmer already.")
    if problems := wider(item.grant, object, at):
        raise InvalidInput(problems)
    change = controls.put_forward(actor=actor, control="grant", object=object, signature=signature, at=at)
    if change.state == ControlChange.State.CONFIRMED:
        reason, done = str(object["reason"]), [str(old)]
        campaign_effects.settle(row, done, ItemDecision.NARROW, actor=actor, reason=reason, change=change, at=at)
    else:
        CampaignItem.objects.filter(pk=item.pk, decision="").update(change=change)
    return campaigns.item(row, old), change


def wider(grant: Grant, object: Mapping[str, Any], at: datetime) -> list[tuple[str, str]]:
    """(pointer, why) for each way in which `object` gives more than the grant; or nothing less."""
    found = rules.beyond(asked_of(grant, at), object)
    if object["expires_at"] > moment(grant.expires_at):
        found.append(("/object/expires_at", "is later than the end of the access that it narrows"))
    same = object_of(grant, at)
    less = [name for name in {*same, *object} - {"not_before", "reason"} if same.get(name) != object.get(name)]
    return found if found or less else [("/object", "gives nothing less: keep the access instead")]


def _deciding(actor: Person, campaign: UUID, grant: UUID, at: datetime, *, bearer: bool) -> Campaign:
    if bearer:
        raise NotAllowed("A bearer token decides nothing: sign in for that.")
    campaigns.one(actor, campaign, at)
    row = campaign_effects.deciding(actor, campaign, at)
    item = campaigns.item(row, grant)
    campaign_effects.not_ones_own(actor, [str(grant)], at)
    if item.decision:
        raise StateConflict(f"This access was decided already: {item.decision}, by {item.decided_by}.")
    return row
