"""A target that the inventory ended or replaced while a run was under way is left out of later batches (H41)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.ports import ActionResult
from procedures.engine.step import record_contact
from procedures.engine.tools import Place
from procedures.services import target_moves

if TYPE_CHECKING:
    from procedures.engine.drive import Drive

PHASE = "contact"
STEP = Step(id="inventory", name="Inventory", action="contact", input={})


def leave_out(drive: Drive, index: int, names: list[str]) -> bool:
    """Look at the targets of a batch before it begins; whether any of them is still what was approved.

    Adds to `drive.moved` and `drive.excluded`; each target has a task that says why, and one event names them all.
    """
    mine = [drive.targets[name] for name in names if name not in drive.excluded]
    found = target_moves.moved(run=drive.claimed.run.id, token=drive.claimed.token, targets=mine, batch=index, at=now())
    for name, why in found.items():
        result = ActionResult("unreachable", message=why, facts={"inventory": "changed"})
        record_contact(drive.tools, STEP, Place(PHASE, 0, index), name, result)
    drive.moved |= found
    drive.excluded = sorted({*drive.excluded, *found})
    return not found or any(name not in drive.excluded for name in names)


def told(drive: Drive, message: str) -> str:
    """What a run's last words say of targets that were left out because the inventory changed."""
    if not drive.moved:
        return message
    count, names = len(drive.moved), ", ".join(sorted(drive.moved)[:10])
    word = "target was" if count == 1 else "targets were"
    return f"{message} {count} {word} left out, ended or replaced in the inventory meanwhile: {names}.".strip()
