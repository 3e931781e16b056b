"""Pause: somebody asked this run to stand still, so it does, between two steps, and its runner lets go of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procedures.domain.clock import now
from procedures.engine.gates import Parked
from procedures.services import pauses

if TYPE_CHECKING:
    from procedures.engine.drive import Drive


def stop_here(drive: Drive) -> None:
    """Let go of the run if a pause is asked for; what brings it to its end never pauses. Raises Parked."""
    if drive.tools.watch.sheltered or not pauses.asked(drive.claimed.run.id):
        return
    drive.tools.output.flush()
    if pauses.take(run=drive.claimed.run.id, token=drive.claimed.token, at=now()):
        raise Parked
