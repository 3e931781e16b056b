"""Going on after an ending (decisions.md, 8): what of an earlier run stands, and what would have to be done again.

Plain values alone: the plan of the earlier run, and how each of its tasks ended by its last attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.calls import CALL
from procedures.domain.canonical import canon

GOOD = frozenset({"succeeded", "skipped"})
UNTOUCHED = frozenset({"skipped", "unreachable"})  # nothing was done there
OWN = frozenset({"run", "no", "requester", "continues"})  # what differs between two runs of the same work


@dataclass(frozen=True, slots=True)
class Ended:
    """How one task ended. `step` is the full id, its frame's prefix included; `target` is the label of its unit."""

    phase: str
    step: str
    batch: int
    target: str
    state: str

    @property
    def frame(self) -> str:
        above, slash, _ = self.step.rpartition("/")
        return above + slash


@dataclass(slots=True)
class LeftOver:
    """`kept` stands and is skipped; `again` began, and what it did does not stand."""

    kept: list[Ended] = field(default_factory=list)
    again: list[Ended] = field(default_factory=list)

    def folded(self) -> list[dict[str, Any]]:
        """What stands, as a plan holds it: `[{"phase", "step", "targets"}]`."""
        rows: dict[tuple[str, str], list[str]] = {}
        for one in self.kept:
            rows.setdefault((one.phase, one.step), []).append(one.target)
        return [{"phase": p, "step": s, "targets": sorted(names)} for (p, s), names in sorted(rows.items())]


def same_work(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    """Whether two plans say the same but for whose and which run it is, so that an approval of one speaks of both."""
    left, right = ({k: v for k, v in plan.items() if k not in OWN} for plan in (earlier, later))
    return canon(left) == canon(right)


def left_over(plan: Mapping[str, Any], rows: Iterable[Ended], *, shares: Collection[str] = ()) -> LeftOver:
    """What stands of an ended run. `shares`: actions whose files are gone with the run's workspace.

    A batch whose steps are not all done, and in which rollback or `always` began, is owed whole: what its steps did may
    have been undone. What an earlier run left in the workspace is owed too.
    """
    every, found = list(rows), LeftOver()
    good = {(one.phase, one.step) for one in every if one.state in GOOD}
    for prefix, batches in _frames(plan).items():
        mine = [one for one in every if one.frame == prefix]
        if _called_well(prefix, good):
            found.kept += [one for one in mine if one.state in GOOD]
            continue
        gone = {row["id"] for row in _rows(plan, prefix) if row["action"] in shares}
        for index, names in enumerate(batches):
            here = [one for one in mine if one.batch == index]
            _batch(found, here, [] if not here else list(_owed(plan, prefix, index, names, here)), gone)
    return found


def _batch(found: LeftOver, here: list[Ended], owed: list[str], gone: Collection[str]) -> None:
    """`owed` are the labels on which a step of this batch is not done."""
    undone = bool(owed) and any(one.phase != "steps" for one in here)
    for one in here:
        once = "" in owed or any(label.startswith("item ") for label in owed)
        lost = undone and (one.phase != "steps" or once or one.target in owed or not one.target)
        stands = one.state in GOOD and not lost and one.step not in gone
        (found.kept if stands else found.again).append(one)


def _owed(plan: Mapping[str, Any], prefix: str, index: int, names: list[str], here: list[Ended]) -> Iterator[str]:
    done = {(one.step, one.target) for one in here if one.phase == "steps" and one.state in GOOD}
    known = {target["name"] for target in plan["targets"]}
    for row in _rows(plan, prefix):
        if row["phase"] != "steps" or row["action"].startswith("gate:"):
            continue
        for label in [label for effect in row["effects"] for label in effect["targets"]]:
            due = label in names if label in known else index == 0
            if due and (row["id"], label) not in done:
                yield label


def _rows(plan: Mapping[str, Any], prefix: str) -> Iterator[Mapping[str, Any]]:
    """The steps of one frame, in order."""
    for row in plan["steps"]:
        above, slash, _ = row["id"].rpartition("/")
        if above + slash == prefix:
            yield row


def _frames(plan: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    return {"": plan["batches"], **{call["at"]: call["batches"] for call in plan.get("calls", [])}}


def _called_well(prefix: str, good: Collection[tuple[str, str]]) -> bool:
    """Whether a call on the way to this frame has ended well, so that nothing in it is owed."""
    parts = prefix.split("/")[:-1]
    calls = {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return any(step in calls for _, step in good)


def unsafe(plan: Mapping[str, Any], found: LeftOver, *, failed: bool) -> list[tuple[str, str]]:
    """(step, label or "") that would be done a second time, or after a failure, though nobody declared that safe.

    After a failure every step from the failed one on must be declared so, whether it began or not.
    """
    safe = {row["id"] for row in plan["steps"] if row.get("idempotent") or row["action"] == CALL}
    again = [(one.step, one.target) for one in found.again if one.state not in UNTOUCHED and one.step not in safe]
    if not failed:
        return again
    return again or [(step, "") for step in _after_failure(plan, found) if step not in safe]


def _after_failure(plan: Mapping[str, Any], found: LeftOver) -> Iterator[str]:
    bad = {one.step for one in found.again if one.state not in GOOD and one.phase == "steps"}
    for prefix in _frames(plan):
        begun = False
        for row in _rows(plan, prefix):
            if row["phase"] != "steps":
                continue
            begun = begun or row["id"] in bad
            if begun and not row["action"].startswith("gate:"):
                yield row["id"]


def place(plan: Mapping[str, Any], step: str, label: str) -> int:
    """The batch in which this plan has a step on a target; 0 for what happens once."""
    above, slash, _ = step.rpartition("/")
    batches = _frames(plan).get(above + slash, [])
    return next((index for index, names in enumerate(batches) if label in names), 0)


__all__ = ["Ended", "LeftOver", "left_over", "place", "same_work", "unsafe"]
