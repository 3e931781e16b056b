"""Policies for the doors: which are in force, and what they last said of a version or run."""

from __future__ import annotations

from typing import Any

from procedures.domain.policies import PolicySet, in_force
from procedures.domain.profiles import approvals_union
from procedures.models import Policy, PolicyDecision, Run, Version


def standing() -> PolicySet:
    """The policies in force, as the tables hold them."""
    return in_force(Policy.objects.filter(ended_at__isnull=True).values_list("object", flat=True))


def last_said(of: Version | Run) -> PolicyDecision | None:
    """What was last said of a version, or of a run's plan."""
    return of.policy_decisions.order_by("-id").first()


def told(of: Version | Run, now: PolicySet | None = None) -> dict[str, Any] | None:
    """As doors show it, what was said at the request and of the plan in one; None where no policy was ever concerned.

    `current`: no policy has changed since.
    """
    rows = {row.stage: row for row in of.policy_decisions.order_by("id")}
    if not rows:
        return None
    last = list(rows.values())[-1]
    return {
        **{key: getattr(last, key) for key in ("stage", "policies", "input")},
        "denied": [found for row in rows.values() for found in row.denied],
        "warned": [found for row in rows.values() for found in row.warned],
        "required": approvals_union(*(row.required for row in rows.values())),
        "current": last.policies == (now or standing()).digest,
        "at": last.at,
        "event": str(last.event),
    }
