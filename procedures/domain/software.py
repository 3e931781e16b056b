"""Software that acts for a person: what it may ask for, and what no grant, role or table lets it do (rule 16; H38)."""

from __future__ import annotations

from collections.abc import Mapping

MAY = ("discover", "view", "run", "cancel", "read_output")
RUNS_AN_HOUR = 10
MOST_AN_HOUR = 1_000
RUNS_A_MINUTE = 5
CALLS_A_MINUTE = 120
DELEGATOR = "delegator"  # the role in a run's chain of the person for whom software asked


def with_a_person(needed: Mapping[str, int], *, production: bool, software: bool) -> dict[str, int]:
    """Approvals that a run needs: what software asks for in production, a person always approves."""
    if production and software and not needed:
        return {"operations": 1}
    return dict(needed)
