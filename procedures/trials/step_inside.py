"""The program inside a cell that runs one local step of a draft; it ends when its input does."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from typing import Any, Literal
from uuid import UUID

from procedures.definitions import registry
from procedures.domain.ports import ActionCall, ActionIO
from procedures.domain.secrets import Secret
from procedures.trials.inside import own_uid
from procedures.trials.walk import LIMITS, LOCAL

PIECE = 48 * 1024


class Frames(ActionIO):
    """Output as lines of JSON; masking happens where the secrets are, outside."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._lock = threading.Lock()

    def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            self.say({"stream": stream, "data": base64.b64encode(data[start : start + PIECE]).decode()})

    def register_secret(self, secret: Secret) -> None:
        """There are none here."""

    def say(self, frame: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(frame) + "\n")
            sys.stdout.flush()


def main() -> None:
    """The first line is the call; the end of the input is a cancel; the last line of the output is the result."""
    own_uid()
    said = json.loads(sys.stdin.buffer.readline())
    io = Frames()

    def watch() -> None:
        while os.read(0, 4096):
            continue
        io.cancelled.set()

    threading.Thread(target=watch, daemon=True).start()
    if said["action"] not in LOCAL:
        raise SystemExit(f"{said['action']} is no local action")
    result = registry.actions()[said["action"]].run(call_of(said), io)
    io.say(
        {
            "result": {
                "outcome": result.outcome,
                "exit": result.exit_status,
                "output": dict(result.output),
                "message": result.message,
            }
        }
    )
    os._exit(0)  # the watcher still reads, and nothing here is worth waiting for


def call_of(said: dict[str, Any]) -> ActionCall:
    return ActionCall(
        run_id=UUID(said["run"]),
        step=said["step"],
        attempt=said["attempt"],
        nonce=said["nonce"],
        input=said["input"],
        files={path: base64.b64decode(content) for path, content in said["files"].items()},
        parameters=said["parameters"],
        env=said["env"],
        secret_env={},
        stdin=Secret(base64.b64decode(said["stdin"])) if said["stdin"] else None,
        target=None,
        lease=None,
        seconds_left=float(said["seconds_left"]),
        limits=LIMITS,
    )


if __name__ == "__main__":
    main()
