"""A local action whose step is run in a cell of its own: what a draft does, streamed out and ended from outside."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from procedures.domain.ports import Action, ActionCall, ActionIO, ActionResult, Outcome
from procedures.sandbox.cells import Cells

STEP = "procedures.trials.step_inside"
PATIENCE_S = 5.0
LONGEST_LINE = 256 * 1024
OUTCOMES: Mapping[str, Outcome] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "timed_out": "timed_out",
    "canceled": "canceled",
}


class InCell(Action):
    """`inner` as the plan shows it, run where nothing of the portal is seen."""

    id: ClassVar[str] = "in-cell"
    summary: ClassVar[str] = "Runs a local step of a draft in a cell."
    input_schema: ClassVar[Mapping[str, Any]] = {"type": "object"}

    def __init__(self, inner: Action, cells: Cells) -> None:
        self.inner, self.cells = inner, cells

    def plan(self, call: ActionCall) -> Mapping[str, Any]:
        return self.inner.plan(call)

    def run(self, call: ActionCall, io: ActionIO) -> ActionResult:
        """Raises NoCell. An output that says anything but frames is a failed step."""
        seconds = call.seconds_left + PATIENCE_S
        with self.cells.open(STEP, seconds=seconds) as link:
            link.settimeout(PATIENCE_S)
            try:
                link.sendall(json.dumps(asked(self.inner.id, call)).encode() + b"\n")
                for frame in _frames(link, io, time.monotonic() + seconds):
                    if "result" in frame:
                        return _result(frame["result"])
                    io.write("stderr" if frame["stream"] == "stderr" else "stdout", base64.b64decode(frame["data"]))
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
                return ActionResult("failed", message=f"The cell ended without a result: {type(problem).__name__}.")
        if io.cancelled.is_set():
            return ActionResult("canceled", remote="dead", message="Canceled.")
        return ActionResult("failed", message="The cell ended without a result.")


def asked(action: str, call: ActionCall) -> dict[str, Any]:
    """A call as plain JSON; targets and leases have no place in it, and a draft is given no secret."""
    return {
        "action": action,
        "run": str(call.run_id),
        "step": call.step,
        "attempt": call.attempt,
        "nonce": call.nonce,
        "input": dict(call.input),
        "files": {path: base64.b64encode(content).decode() for path, content in call.files.items()},
        "parameters": dict(call.parameters),
        "env": {**call.env, **{name: secret.reveal().decode() for name, secret in call.secret_env.items()}},
        "stdin": base64.b64encode(call.stdin.reveal()).decode() if call.stdin else "",
        "seconds_left": call.seconds_left,
    }


def _frames(link: socket.socket, io: ActionIO, until: float) -> Iterator[dict[str, Any]]:
    """Lines of JSON until the cell ends; a cancel is told by closing our side of its input."""
    kept, told = b"", False
    link.settimeout(0.2)
    while time.monotonic() < until:
        if io.cancelled.is_set() and not told:
            link.shutdown(socket.SHUT_WR)
            told, until = True, min(until, time.monotonic() + PATIENCE_S)
        try:
            data = link.recv(65_536)
        except TimeoutError:
            continue
        if not data:
            return
        *lines, kept = (kept + data).split(b"\n")
        if len(kept) > LONGEST_LINE:
            raise ValueError
        for line in lines:
            yield json.loads(line)


def _result(said: Mapping[str, Any]) -> ActionResult:
    outcome = OUTCOMES.get(said["outcome"], "failed")
    status = said["exit"]
    return ActionResult(
        outcome,
        status if isinstance(status, int) else None,
        dict(said["output"]),
        {"sandbox": "cell", "sandbox_reported_by": "runner"},
        "dead" if outcome in {"timed_out", "canceled"} else None,
        str(said["message"])[:2000],
    )
