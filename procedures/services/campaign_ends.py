"""How a campaign ends: what nobody decided lapses, by the word of its signed opening, and the result is evidence."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q

from procedures.domain.campaigns import CAMPAIGN_MOVES, ITEM_MOVES, CampaignState, ItemDecision
from procedures.domain.states import require_move
from procedures.evidence.record import record
from procedures.models import Campaign, CampaignItem, ControlChange, Grant
from procedures.services import control_ends, grant_rights
from procedures.services.unit import thing

AT_ONCE = 200


def end_campaigns(*, at: datetime) -> int:
    """Lapse what is undecided at its date, then close; close at once what is decided throughout. How many lapsed."""
    lapsed = 0
    undecided = Count("items", filter=Q(items__decision=""))
    for row in Campaign.objects.filter(state=CampaignState.OPEN.value).annotate(left=undecided).order_by("due_at")[:20]:
        if row.due_at <= at:
            while part := _lapse(campaign=row.pk, at=at):
                lapsed += part
        if row.due_at <= at or not row.left:
            _close(campaign=row.pk, at=at)
    return lapsed


@thing
def _lapse(*, campaign: UUID, at: datetime) -> int:
    """End up to two hundred grants that nobody decided on; how many items were settled."""
    row = Campaign.objects.select_for_update().get(pk=campaign)
    items = list(row.items.filter(decision="").select_related("grant", "change").order_by("pk")[:AT_ONCE])
    gone = [item for item in items if item.grant.revoked_at is not None or item.grant.expires_at <= at]
    over = [item for item in items if item not in gone]
    for decision, rows in ((ItemDecision.ENDED, gone), (ItemDecision.LAPSED, over)):
        require_move(ITEM_MOVES, ItemDecision.UNDECIDED, decision, who="scheduler")
        CampaignItem.objects.filter(pk__in=[item.pk for item in rows], decision="").update(
            decision=decision.value, decided_at=at
        )
    for item in over:
        if item.change is not None and item.change.state == ControlChange.State.PROPOSED:
            change = ControlChange.objects.select_for_update().get(pk=item.change.pk)
            control_ends.turn_down(change, actor=None, reason=f"The campaign {row.name} ended first.", at=at)
        Grant.objects.filter(pk=item.grant_id, revoked_at__isnull=True).update(revoked_at=at)
        grant_rights.end(item.grant, at=at)
    if over:
        facts = {"campaign": str(row.pk), "grants": [str(item.grant_id) for item in over]}
        record("campaign.lapsed", actor=None, at=at, facts=facts)
    return len(items)


@thing
def _close(*, campaign: UUID, at: datetime) -> bool:
    row = Campaign.objects.select_for_update().get(pk=campaign)
    if row.state != CampaignState.OPEN or row.items.filter(decision="").exists():
        return False
    require_move(CAMPAIGN_MOVES, CampaignState.OPEN, CampaignState.CLOSED, who="scheduler")
    Campaign.objects.filter(pk=row.pk).update(state=CampaignState.CLOSED.value, closed_at=at)
    decisions: dict[str, list[str]] = {}
    for decision, grant in row.items.order_by("pk").values_list("decision", "grant"):
        decisions.setdefault(decision, []).append(str(grant))
    counts = {decision: len(grants) for decision, grants in decisions.items()}
    facts = {"campaign": str(row.pk), "name": row.name, "counts": counts, "decisions": decisions}
    record("campaign.closed", actor=None, at=at, facts=facts)
    return True
