"""Campaigns as managers open and decide them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.models import Campaign, ControlChange, Grant, Person
from procedures.services import campaigns, controls
from procedures.services.given import object_of
from tests.factories.portal import World


def signed(world: World, who: Person, control: str, object: dict[str, Any]) -> dict[str, str]:
    return world.signed(who.username, canon(controls.statement_for(actor=who, control=control, object=object)))


def offer(world: World, reviewers: Sequence[Person], *, days: float = 7, **select: str) -> dict[str, Any]:
    names = [person.username for person in reviewers]
    due, at = now() + timedelta(days=days), now()
    return campaigns.offer(actor=world.mira, name="Autumn", select=select, due_at=due, reviewers=names, at=at)


def opened(world: World, reviewers: Sequence[Person], **more: Any) -> Campaign:
    made = offer(world, reviewers, **more)
    change = world.propose("campaign", made)
    assert change.state == ControlChange.State.CONFIRMED
    return Campaign.objects.get(pk=made["campaign"])


def keep(world: World, who: Person, campaign: Campaign, *grants: Grant, at: datetime | None = None) -> ControlChange:
    object = {"campaign": str(campaign.pk), "grants": [str(g.pk) for g in grants], "reason": "still needed"}
    signature = signed(world, who, "campaign_keep", object)
    return controls.propose(actor=who, control="campaign_keep", object=object, signature=signature, at=at or now())


def revoke(world: World, who: Person, campaign: Campaign, grant: Grant) -> Any:
    signature = signed(world, who, "grant_end", {"grant": str(grant.pk), "reason": "left"})
    return campaigns.revoke(
        actor=who, campaign=campaign.pk, grant=grant.pk, reason="left", signature=signature, at=now()
    )


def narrow(world: World, who: Person, campaign: Campaign, grant: Grant, **less: Any) -> Any:
    object = {**object_of(grant, now()), "reason": "staging will do", **less}
    signature = signed(world, who, "grant", object)
    return campaigns.narrow(actor=who, campaign=campaign.pk, object=object, signature=signature, at=now())
