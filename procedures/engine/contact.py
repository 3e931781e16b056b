"""The contact check before a run's first step: who is not in contact is left out, or fails the run, as declared."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.ports import ActionResult
from procedures.engine.step import record_contact
from procedures.engine.tools import Place
from procedures.models import Task
from procedures.services import tasks
from procedures.ssh.contact import contact_each

if TYPE_CHECKING:
    from procedures.engine.drive import Drive

PHASE = "contact"
STEP = Step(id="contact", name="Contact", action="contact", input={})
NAMED = 10


def refused(drive: Drive) -> str:
    """Contact the targets that this procedure acts on, if it declares what then; why no step may run, or nothing.

    Sets `drive.excluded`. After a gate only those are contacted that were not missing before.
    """
    declared = drive.definition.targets
    if declared is None or not declared.unreachable:
        return ""
    rows = Task.objects.filter(run=drive.claimed.run, phase=PHASE, step=drive.tools.prefix + STEP.id)
    missing = set(rows.values_list("target", flat=True))
    if all(task.carried_id for task in drive.done.values()):
        missing |= _contacted(drive, missing, declared.unreachable)
    drive.excluded = sorted(missing)
    if missing and declared.unreachable == "fail":
        return f"{_counted(drive, missing)} not in contact: {_names(missing)}. No step ran."
    if len(missing) == len(drive.targets):
        return "None of the targets was in contact. No step ran."
    return ""


def _contacted(drive: Drive, missing: set[str], declared: str) -> set[str]:
    """Names of those that are not in contact now, each with a task of its own; one event names every target."""
    found = contact_each([target for name, target in drive.targets.items() if name not in missing])
    lost = {name: why for name, (state, why) in found.items() if state != "reached"}
    tasks.contacted(
        run=drive.claimed.run.id,
        token=drive.claimed.token,
        declared=declared,
        reached=sorted(set(found) - set(lost)),
        lost=lost,
        at=now(),
    )
    for name, why in lost.items():
        result = ActionResult("unreachable", message=why, facts={"contact": found[name][0]})
        record_contact(drive.tools, STEP, Place(PHASE, 0, 0), name, result)
    return set(lost)


def told(drive: Drive, message: str) -> str:
    """What a run's last words say of targets that were left out: they did not succeed."""
    missing = [name for name in drive.excluded if name not in drive.moved]
    if not missing or drive.definition.targets is None or drive.definition.targets.unreachable != "exclude":
        return message
    return f"{message} {_counted(drive, missing)} left out, not being in contact: {_names(missing)}.".strip()


def _counted(drive: Drive, missing: Collection[str]) -> str:
    count = len(missing)
    return f"{count} of {len(drive.targets)} targets {'was' if count == 1 else 'were'}"


def _names(missing: Collection[str]) -> str:
    more = len(missing) - NAMED
    return ", ".join(sorted(missing)[:NAMED]) + (f" and {more} more" if more > 0 else "")
