"""What later steps, the issuer, and the run's own output may read of finished tasks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from procedures.models import Task


def outputs_of(finished: Iterable[Task], prefix: str = "") -> dict[str, Any]:
    """`{step: {"output": {...}}}`: own values, and `targets.succeeded`, `targets.failed` where it ran on targets.

    Of a called procedure's steps only those of the frame `prefix` are seen, by their own ids.
    """
    found: dict[str, dict[str, Any]] = {}
    for task in finished:
        name = task.step.removeprefix(prefix)
        if not task.step.startswith(prefix) or "/" in name or task.phase == "contact":
            continue
        output = found.setdefault(name, {"output": {}})["output"]
        state = state_of(task)
        if task.target and state != "skipped":
            counts = output.setdefault("targets", {"succeeded": 0, "failed": 0})
            counts["succeeded" if state == "succeeded" else "failed"] += 1
        if state == "succeeded":
            output.update({k: v for k, v in task.output.items() if k != "targets"})
    return found


def state_of(task: Task) -> str:
    """How a task ended, or how it had ended in the run that this one goes on with."""
    return str(task.facts.get("was", task.state)) if task.carried_id else task.state
