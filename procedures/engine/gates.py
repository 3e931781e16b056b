"""Gates: the run waits without a runner until somebody answers, or until the time has come."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from procedures.domain import expressions, waits
from procedures.domain.clock import now
from procedures.domain.definition import Step
from procedures.domain.duration import seconds
from procedures.engine.step import Place
from procedures.models import Approval
from procedures.services import endings, tasks

if TYPE_CHECKING:
    from procedures.engine.drive import Drive


class Parked(Exception):
    """The run waits at a gate, or paused; this runner lets go of it."""


def pass_gate(drive: Drive, step: Step, place: Place, scope: Mapping[str, Any]) -> None:
    """Wait without a runner, unless the gate was passed already. Raises Parked, WaitRefused."""
    run = drive.claimed.run
    timed = step.action == "gate:wait"
    gate = drive.tools.prefix + step.id
    begun = run.tasks.filter(phase=place.phase, step=gate).exists()
    passed = begun if timed else Approval.objects.filter(run=run, gate=gate, verdict="approve").exists()
    if passed:
        return
    asked = expressions.render(dict(step.input), scope)
    length = _gate_length(asked)
    if timed:
        why = f"waited {length} s" + (f", until {asked['until']}" if "until" in asked else "")
        tasks.skip(
            run=run.id,
            token=drive.claimed.token,
            phase=place.phase,
            step=gate,
            target="",
            position=place.position,
            batch=place.batch,
            why=why if length else "its time had come already",
            at=now(),
        )
        if not length:
            return
    drive.tools.output.flush()
    endings.wait_at_gate(
        run=run.id,
        token=drive.claimed.token,
        step=gate,
        message=str(asked.get("message", "")),
        expires_s=length,
        wakes=timed,
        at=now(),
    )
    raise Parked


def _gate_length(asked: Mapping[str, Any]) -> int:
    """How long a gate waits: `until`, `expires` or `for`, an hour unless set. Raises WaitRefused."""
    if "until" in asked:
        at = now()
        return ceil((waits.instant(str(asked["until"]), asked.get("zone"), at) - at).total_seconds())
    return seconds(str(asked.get("expires") or asked.get("for") or "1h"))
