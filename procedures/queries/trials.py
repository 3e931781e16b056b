"""How a version's own tests went, for its reviewers and for whoever handed it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from procedures.domain.states import TrialState
from procedures.models import Trial, Version


def newest(version: Version) -> Trial | None:
    """The go that counts: the last one that was asked for."""
    return version.trials.order_by("-id").first()


def standing(version: Version) -> dict[str, Any]:
    """What a decision on this version records of its tests: the newest go, in numbers."""
    row = newest(version)
    if row is None:
        return {"state": TrialState.NONE.value, "passed": 0, "failed": 0}
    return {"trial": str(row.id), "state": row.state, **counts(row.results)}


def counts(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    fine = [row["ok"] for row in results]
    return {"passed": sum(fine), "failed": len(fine) - sum(fine)}
