"""What opening a campaign and keeping its grants do to the tables; both are control changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain.campaigns import ITEM_MOVES, CampaignState, ItemDecision, set_digest
from procedures.domain.canonical import moment, parse_moment
from procedures.domain.clock import now
from procedures.domain.errors import IllegalState, NotAllowed
from procedures.domain.states import StateConflict, require_move
from procedures.evidence.record import record
from procedures.models import Campaign, CampaignItem, ControlChange, Grant, GrantRight, Person
from procedures.queries import campaigns, deputies
from procedures.services.unit import SecondPersonRequired


class CampaignOver(IllegalState):
    """The campaign's date has come: what was undecided has lapsed."""

    code = "campaign.over"
    next_step = "Grant anew what is still needed; people can ask for it."


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, why) for what a campaign may not say."""
    at = now()
    found = [(f"/object{pointer}", why) for pointer, why in campaigns.unknown(object["select"])]
    if parse_moment(object["due_at"]) <= at:
        found.append(("/object/due_at", "has passed"))
    if Campaign.objects.filter(pk=object["campaign"]).exists():
        found.append(("/object/campaign", "is a campaign already"))
    grants = campaigns.selected(object["select"], at)
    if not grants:
        found.append(("/object/select", "finds no access that holds now and stands in no other open campaign"))
    elif set_digest(map(str, grants)) != object["grants"] or len(grants) != object["count"]:
        found.append(("/object/grants", "is not what the selection finds now: look at it again"))
    elif not campaigns.managing_without(grants, at):
        found.append(("/object/select", "holds all access management: leave one out, or nobody could give access"))
    people = {str(p.subject): p for p in Person.objects.filter(subject__in=object["reviewers"], is_active=True)}
    found += [
        (f"/object/reviewers/{index}", "is nobody who manages access")
        for index, subject in enumerate(object["reviewers"])
        if subject not in people or not access.decide(people[subject], "manage_access", at=at).allowed
    ]
    return found


def opened(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """The set is fixed; rights in it end at the due date unless somebody keeps them."""
    due = parse_moment(object["due_at"])
    grants = campaigns.selected(object["select"], at)
    row = Campaign.objects.create(
        id=object["campaign"],
        name=object["name"],
        select=object["select"],
        set_digest=object["grants"],
        count=len(grants),
        reviewers=object["reviewers"],
        change=change,
        opened_by=change.proposer,
        opened_at=at,
        due_at=due,
    )
    CampaignItem.objects.bulk_create([CampaignItem(campaign=row, grant_id=pk) for pk in grants], batch_size=500)
    for start in range(0, len(grants), 500):
        part = grants[start : start + 500]
        GrantRight.objects.filter(grant__in=part, ends_at__gt=due).update(ends_at=due)
    record(
        "campaign.opened",
        actor=change.proposer.subject,
        at=at,
        facts={
            "campaign": str(row.pk),
            "name": row.name,
            "grants": [str(pk) for pk in grants],
            "digest": row.set_digest,
            "due_at": moment(due),
            "reviewers": row.reviewers,
        },
    )


def keep_problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    row = Campaign.objects.filter(pk=object["campaign"]).first()
    if row is None:
        return [("/object/campaign", "there is no such campaign")]
    known = {str(pk) for pk in CampaignItem.objects.filter(campaign=row).values_list("grant", flat=True)}
    return [
        (f"/object/grants/{index}", "is not of this campaign")
        for index, grant in enumerate(object["grants"])
        if grant not in known
    ]


def kept(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """These grants stay as they are, until the date that they had."""
    row = deciding(change.proposer, UUID(object["campaign"]), at)
    settle(
        row, object["grants"], ItemDecision.KEEP, actor=change.proposer, reason=object["reason"], change=change, at=at
    )
    for grant in Grant.objects.filter(pk__in=object["grants"], revoked_at__isnull=True):
        GrantRight.objects.filter(grant=grant, ends_at=row.due_at).update(ends_at=grant.expires_at)


def deciding(actor: Person, campaign: UUID, at: datetime) -> Campaign:
    """The open campaign, locked, for one of its reviewers or their deputy. Raises NotAllowed, CampaignOver."""
    row = Campaign.objects.select_for_update().get(pk=campaign)
    if not campaigns.reviews(actor, row, at):
        raise NotAllowed("This campaign names you as no reviewer.")
    if row.state != CampaignState.OPEN or row.due_at <= at:
        raise CampaignOver(f"The campaign {row.name} ended on {row.due_at:%Y-%m-%d %H:%M} UTC.")
    return row


def not_ones_own(actor: Person, grants: list[str], at: datetime) -> None:
    """Nor that of whom one stands in for. Raises SecondPersonRequired."""
    away = [str(one.subject) for one in deputies.stood_in_for(actor, "manage_access", at)]
    if campaigns.holders(grants) & {str(actor.subject), *away}:
        raise SecondPersonRequired("This access is your own, or of whom you stand in for: another must decide it.")


def settle(
    row: Campaign,
    grants: list[str],
    decision: ItemDecision,
    *,
    actor: Person,
    reason: str,
    change: ControlChange,
    at: datetime,
) -> None:
    """Write one decision over grants that nobody decided yet, with its event. Raises StateConflict."""
    require_move(ITEM_MOVES, ItemDecision.UNDECIDED, decision, who=actor.username)
    ids = [UUID(grant) for grant in grants]
    waiting = CampaignItem.objects.filter(campaign=row, grant__in=ids, decision="")
    done = waiting.update(decision=decision.value, decided_by=actor, decided_at=at, reason=reason, change=change)
    if done != len(grants):
        raise StateConflict("Some of this was decided meanwhile: look at the campaign again.")
    record(
        "campaign.decided",
        actor=actor.subject,
        at=at,
        facts={
            "campaign": str(row.pk),
            "decision": decision.value,
            "grants": list(grants),
            "reason": reason,
            "change": str(change.pk),
        },
    )


def change_confirmed(change: ControlChange, *, at: datetime) -> None:
    """The narrower grant that a reviewer proposed is in force: its item is decided."""
    item = CampaignItem.objects.filter(change=change, decision="").select_related("campaign").first()
    if item is not None:
        grants = [str(item.grant_id)]
        reason = str(change.object["reason"])
        settle(item.campaign, grants, ItemDecision.NARROW, actor=change.proposer, reason=reason, change=change, at=at)


def change_refused(change: ControlChange) -> None:
    """Its confirmer wanted the narrower grant not: the item is undecided again."""
    CampaignItem.objects.filter(change=change, decision="").update(change=None)
