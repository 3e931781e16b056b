"""Policies for the doors: which are in force, and what they last said of a version or run."""

from __future__ import annotations

from typing import Any

from procedures.domain.policies import PolicySet, in_force
from procedures.models import Policy, PolicyDecision, Run, Version


def standing() -> PolicySet:
    """The policies in force, as the tables hold them."""
    return in_force(Policy.objects.filter(ended_at__isnull=True).values_list("object", flat=True))


def last_said(of: Version | Run) -> PolicyDecision | None:
    """What was last said of a version, or of a run's plan."""
    return of.policy_decisions.order_by("-id").first()


def told(of: Version | Run, now: PolicySet | None = None) -> dict[str, Any] | None:
    """As doors show it; None where no policy was ever concerned. `current`: no policy has changed since."""
    row = last_said(of)
    if row is None:
        return None
    kept = {key: getattr(row, key) for key in ("stage", "policies", "input", "denied", "warned", "required")}
    return {**kept, "current": row.policies == (now or standing()).digest, "at": row.at, "event": str(row.event)}
