"""Time stamps as an export takes them: it wishes for one over the very checkpoint that it ends with."""

from __future__ import annotations

import time

from procedures.evidence.models import Anchor, AnchorState, Checkpoint

WAIT_S = 10.0  # an export without one is made all the same


def anchored(checkpoint: Checkpoint) -> list[Anchor]:
    """The time stamps over a checkpoint; waits for one where the portal has an authority that answers."""
    rows = Anchor.objects.filter(checkpoint=checkpoint).order_by("id")
    if rows.exists() or not AnchorState.objects.filter(pk=1).update(wished_size=checkpoint.size):
        return list(rows)
    end = time.monotonic() + WAIT_S
    while not rows.exists() and time.monotonic() < end and not _refused(checkpoint):
        time.sleep(0.1)
    return list(rows)


def _refused(checkpoint: Checkpoint) -> bool:
    """Whether the wish was taken up and came to nothing."""
    state = AnchorState.objects.filter(pk=1).first()
    return state is None or (bool(state.problem) and state.wished_size != checkpoint.size)
