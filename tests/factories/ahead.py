"""Approvals given ahead, for tests: an environment that lets them, an approver outside the schedule, and giving one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.models import Person, PreApproval
from procedures.services import giving_ahead
from tests.factories.portal import World
from tests.factories.standing import until


def rules(name: str = "staging", **more: Any) -> dict[str, Any]:
    """Production that asks for one approval of low risk, which may be given ahead."""
    made = {"name": name, "title": name.title(), "position": 2, "production": True, "drafts": False}
    made |= {"approvals": {"low": {"operations": 1}}, "min_strength": "signed", "approval_expiry_s": 3600}
    return {**made, "reason_required": False, "ahead_up_to": "low", **more}


def approver(world: World, name: str = "sam", **more: Any) -> Person:
    """Somebody who may approve, and fills the duty, by signed changes."""
    found = world.person(name, key=True)
    world.may(found, "approve", "view", expires_at=until(29), **more)
    world.confirmed("duty", {"principal": f"person:{found.subject}", "duty": "operations", "action": "add"})
    return found


def given(
    world: World,
    who: Person,
    name: str = "nightly",
    *,
    count: int = 3,
    days: float = 7,
    at: datetime | None = None,
    **more: Any,
) -> PreApproval:
    """What the page or the command line does: look at the offer, sign it, hand it in."""
    at = at or now()
    found = giving_ahead.offer(actor=who, name=name, at=at)
    ends = at + timedelta(days=days)
    statement = giving_ahead.statement_for(actor=who, found=found, count=count, until=ends, at=at)
    signature = more.pop("signature", None) or world.signed(who.username, canon(statement))
    return giving_ahead.approve_ahead(
        actor=who,
        name=name,
        count=more.pop("count_said", count),
        until=ends,
        plan_digest=more.pop("plan_digest", found.digest),
        comment="looked at it",
        signature=signature,
        at=at,
        **more,
    )
