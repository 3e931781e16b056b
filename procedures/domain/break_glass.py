"""Break-glass: what a holder of that permission may skip, how often, and who looks at it afterwards (rule 10, H25).

Used alike by the service and by the issuer, which judges from events, so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures.domain.canonical import moment

LIVES = timedelta(hours=4)
DAY, A_DAY = timedelta(hours=24), 3
REVIEWED_WITHIN = timedelta(hours=72)
SKIPS = ("approval", "freeze")  # and nothing else: never review, policy, limits of a grant, digests, the stop switch
VERDICTS = ("justified", "unjustified")
USED, REVIEWED = "opsportal/break-glass/v1", "opsportal/break-glass-review/v1"


@dataclass(frozen=True, slots=True)
class Use:
    """One earlier use by the same person: when, and whether somebody else has reviewed it."""

    at: datetime
    reviewed: bool


def refusal(earlier: Sequence[Use], at: datetime) -> str:
    """Why this person may not break the glass now, or an empty string."""
    if sum(at - DAY < use.at <= at for use in earlier) >= A_DAY:
        return f"You broke the glass {A_DAY} times within a day; that is the most."
    late = [use for use in earlier if not use.reviewed and at - use.at >= REVIEWED_WITHIN]
    if late:
        return f"A break-glass of yours of {late[0].at:%Y-%m-%d %H:%M} UTC is not reviewed yet."
    return ""


def may_review(reviewer: str, *, user: str, chain: Collection[str], grantors: Collection[str]) -> str:
    """Why this person may not review a use, or an empty string."""
    if reviewer == user or reviewer in chain:
        return "You stand behind this run, so somebody else must review its break-glass."
    if reviewer in grantors:
        return "You gave the permission that was used, so somebody else must review its use."
    return ""


def statement(
    *,
    run: UUID,
    plan_digest: str,
    digest: str,
    reason: str,
    skips: Sequence[str],
    by: UUID,
    not_after: datetime,
    portal: str,
    fresh: str,
) -> dict[str, Any]:
    """What a person signs to break the glass for one plan of one run."""
    return {
        "type": USED,
        "run": str(run),
        "plan_digest": plan_digest,
        "digest": digest,
        "reason": reason,
        "skips": list(skips),
        "by": str(by),
        "not_after": moment(not_after),
        "nonce": fresh,
        "portal": portal,
    }


def review_statement(
    *, use: UUID, run: UUID, verdict: str, comment: str, reviewer: UUID, portal: str, fresh: str
) -> dict[str, Any]:
    """What a person signs to say whether the glass was broken with good reason."""
    return {
        "type": REVIEWED,
        "use": str(use),
        "run": str(run),
        "verdict": verdict,
        "comment": comment,
        "reviewer": str(reviewer),
        "nonce": fresh,
        "portal": portal,
    }


def same(said: Mapping[str, Any], facts: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Whether a statement and the event that carries it say the same under these names."""
    return all(name in said and said[name] == facts.get(name) for name in names)
