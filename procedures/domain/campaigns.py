"""Campaigns: a fixed set of grants that people look at again by a date; what nobody kept by then lapses.

The signed opening says so (`undecided: lapses`), so the replay ends those grants by itself when the date has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from procedures.domain.canonical import canon, sha256_hex

if TYPE_CHECKING:
    from procedures.domain.controls import Authority


class CampaignState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class ItemDecision(StrEnum):
    """What became of one grant of a campaign; `ended` went meanwhile by another way."""

    UNDECIDED = ""
    KEEP = "keep"
    NARROW = "narrow"
    REVOKE = "revoke"
    LAPSED = "lapsed"
    ENDED = "ended"


CAMPAIGN_MOVES: dict[CampaignState, frozenset[CampaignState]] = {CampaignState.OPEN: frozenset({CampaignState.CLOSED})}
D = ItemDecision
ITEM_MOVES: dict[ItemDecision, frozenset[ItemDecision]] = {
    D.UNDECIDED: frozenset({D.KEEP, D.NARROW, D.REVOKE, D.LAPSED, D.ENDED})
}
SELECTS = ("owner", "procedure", "label", "group", "person", "environment")
MOST_KEPT = 500


def set_digest(grants: Iterable[str]) -> str:
    """`sha256:<hex>` of the ids of a set of grants, in their order."""
    return "sha256:" + sha256_hex(canon(sorted(grants)))


def confirmed(authority: Authority, object: Mapping[str, Any]) -> None:
    """A campaign was opened by a change that stands; its set is not known yet."""
    authority.campaigns.setdefault(
        object["campaign"], {"due_at": object["due_at"], "digest": object["grants"], "set": set(), "kept": set()}
    )


def opened(authority: Authority, facts: Mapping[str, Any]) -> None:
    """The ids of a campaign's set: they count if they have the digest that was signed."""
    row = authority.campaigns.get(facts["campaign"])
    if row is not None and set_digest(facts["grants"]) == row["digest"]:
        row["set"] = set(facts["grants"])


def kept(authority: Authority, object: Mapping[str, Any]) -> None:
    row = authority.campaigns.get(object["campaign"])
    if row is not None:
        row["kept"] |= set(object["grants"])


def replaced(authority: Authority, grant: Mapping[str, Any]) -> None:
    """A narrower grant that stands has taken the place of the one that it names."""
    if grant["stands"] and "replaces" in grant:
        authority.grants.pop(grant["replaces"], None)


def lapse_due(authority: Authority, at: str) -> None:
    """End what nobody kept in campaigns whose date has come at that moment."""
    for name in [name for name, row in authority.campaigns.items() if row["due_at"] <= at]:
        row = authority.campaigns.pop(name)
        for grant in row["set"] - row["kept"]:
            authority.grants.pop(grant, None)


CHANGES: Mapping[str, Callable[..., None]] = {"campaign": confirmed, "campaign_keep": kept}
