"""The program in a cell that runs one call of an action of another package, and ends.

As a program, `python -I -S child.py`: it finds `procedures.domain` beside it and nothing else of ours. Its input is the
question, one value of JSON; its output are lines of JSON, the last of them the answer. What the package prints goes to
the error stream, so that it cannot be taken for an answer by accident; on purpose it can say only what it could say
anyway.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import threading
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

if TYPE_CHECKING:
    from procedures.domain.ports import Action, ActionIO
    from procedures.domain.secrets import Secret

PIECE = 48 * 1024
OVERRIDES = ("check", "copies", "command_sha256")
TOLD = ("id", "summary", "per_target", "gate", "keeps_artifacts", "shares_files", "floor")


def main() -> None:
    """Answer the one question and leave without waiting for what the package left running: it ends with the cell."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    said = json.loads(sys.stdin.buffer.read())
    here = Path(__file__).parent
    sys.path[:0] = ["/package", str(here), *said["sites"]]
    action = _action(said["point"])
    _say(answers, {"id": action.id})
    _say(answers, {"answer": _answer(action, said, answers)})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _action(point: str) -> Action:
    module, _, attribute = point.partition(":")
    made: Action = reduce(getattr, attribute.split("."), importlib.import_module(module))()  # type: ignore[operator]
    return made


def _answer(action: Action, said: dict[str, Any], answers: BinaryIO) -> Any:
    from procedures.domain.carrying import packed, told, unpacked

    given = unpacked(said["given"])
    asked = said["ask"]
    if asked == "describe":
        return packed(_described(action))
    if asked == "run":
        return told(action.run(given[0], _frames(answers)))
    return packed(getattr(action, asked)(*given))


def _described(action: Action) -> dict[str, Any]:
    from procedures.domain.ports import Action

    return {
        **{name: getattr(action, name) for name in TOLD},
        "credential_kinds": sorted(action.credential_kinds),
        "input_schema": dict(action.input_schema),
        "output_schema": dict(action.output_schema),
        "network": bool(getattr(action, "network", False)),
        "overrides": [name for name in OVERRIDES if getattr(type(action), name) is not getattr(Action, name)],
    }


def _frames(answers: BinaryIO) -> ActionIO:
    from procedures.domain.ports import ActionIO

    class Frames(ActionIO):
        """Output as lines of JSON; it is masked where it arrives. A cancel ends the cell, so none is told here."""

        def __init__(self) -> None:
            self.cancelled = threading.Event()

        def write(self, stream: Literal["stdout", "stderr", "system"], data: bytes) -> None:
            for start in range(0, len(data), PIECE):
                _say(answers, {"stream": stream, "data": base64.b64encode(data[start : start + PIECE]).decode()})

        def register_secret(self, secret: Secret) -> None:
            _say(answers, {"secret": base64.b64encode(secret.reveal()).decode()})

    return Frames()


_LOCK = threading.Lock()


def _say(answers: BinaryIO, frame: dict[str, Any]) -> None:
    with _LOCK:
        answers.write(json.dumps(frame).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
