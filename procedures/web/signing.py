"""The statement that a person is asked to sign, and what they hand back."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import canon
from procedures.domain.statements import NAMESPACE, STRENGTHS, strong_enough

KEY = "~/.ssh/id_ed25519"


@dataclass(frozen=True, slots=True)
class Ask:
    """`text` is the exact statement, `encoded` the same in base64, `command` what prints the signature."""

    minimum: str
    needed: bool
    text: str
    encoded: str
    command: str


def ask(statement: Mapping[str, Any] | bytes, minimum: str) -> Ask:
    """What to show: a command to sign with where a signed-in session is too weak."""
    data = statement if isinstance(statement, bytes) else canon(dict(statement))
    text = data.decode()
    command = f"printf %s {shlex.quote(text)} | ssh-keygen -Y sign -n {NAMESPACE} -f {KEY}"
    needed = not strong_enough(STRENGTHS[0], minimum)
    return Ask(minimum, needed, text, base64.b64encode(data).decode(), command)


def given(posted: QueryDict) -> dict[str, str] | None:
    """The signature as services take it, or None for the session alone."""
    armored = posted.get("signature", "").strip()
    if not armored:
        return None
    return {"statement": posted.get("statement", ""), "signature": armored.replace("\r\n", "\n") + "\n"}
