"""A call of an action and somewhere for its output to go, for tests that act for real."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from procedures.domain.ports import ActionCall, ActionIO
from procedures.domain.secrets import Secret

HOSTILE = {
    "semicolon": "; touch /tmp/owned;",
    "substitution": "$(touch /tmp/owned)",
    "backticks": "`touch /tmp/owned`",
    "quote": "'; touch /tmp/owned; '",
    "double quote": '"; touch /tmp/owned; "',
    "newline": "a\ntouch /tmp/owned\n",
    "dash": "-rf",
    "glob": "*",
    "bang": "!!",
    "unicode": "ü – 日本 \u202e",
    "backslash": "a\\nb\\",
    "percent": "%s%n{{7*7}}${x}",
    "empty": "",
    "long": "x" * 60_000,
    "template": "{{ lookup('pipe','touch /tmp/owned') }}",
    "tabs": "\t a  b \x1b[2J",
}


class Collected(ActionIO):
    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.out: dict[str, bytes] = {}
        self.secrets: list[Secret] = []

    def write(self, stream: str, data: bytes) -> None:  # type: ignore[override]
        self.out[stream] = self.out.get(stream, b"") + data

    def register_secret(self, secret: Secret) -> None:
        self.secrets.append(secret)

    @property
    def text(self) -> str:
        return self.out.get("stdout", b"").decode()


def call(**changes: Any) -> ActionCall:
    base: dict[str, Any] = {
        "run_id": uuid4(),
        "step": "one",
        "attempt": 1,
        "nonce": uuid4().hex,
        "input": {},
        "files": {},
        "parameters": {},
        "env": {},
        "secret_env": {},
        "stdin": None,
        "target": None,
        "lease": None,
        "seconds_left": 15.0,
    }
    return ActionCall(**{**base, **changes})


def processes(mark: str) -> list[int]:
    """Pids whose command line holds `mark`."""
    from pathlib import Path

    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
