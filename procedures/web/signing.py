"""The statement that a person decides on, and what they hand back: a code, a passkey's answer, a signature."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from procedures.domain.canonical import canon
from procedures.domain.statements import NAMESPACE, STRENGTHS, strong_enough
from procedures.models import Person
from procedures.queries import pages_people
from procedures.services import codes, passkeys

KEY = "~/.ssh/id_ed25519"
FIELDS = (
    "statement",
    "signature",
    "totp",
    "credential",
    *(f"passkey_{name}" for name in ("authenticator_data", "client_data", "signature")),
)
ANSWER = ("credential", "authenticator_data", "client_data", "signature")


@dataclass(frozen=True, slots=True)
class Ask:
    """`text` is the exact statement, `encoded` the same in base64, `command` what prints an SSH signature over it.

    `needed` where a signed-in session is too weak, `offered` where signing is possible too; `code` where a code of the
    person's app would do; `passkeys` are credential ids that may answer at `origin`.
    """

    minimum: str
    needed: bool
    offered: bool
    code: bool
    text: str
    encoded: str
    command: str
    passkeys: str
    party: str
    origin: str


def ask(statement: Mapping[str, Any] | bytes, minimum: str, person: Person, *, older_key: bool = False) -> Ask:
    """What to show to this person, for a decision of at least `minimum`. `older_key`: signing it spares a confirmer."""
    data = statement if isinstance(statement, bytes) else canon(dict(statement))
    text = data.decode()
    party = passkeys.party() or ""
    needed = not strong_enough(STRENGTHS[0], minimum)
    return Ask(
        minimum=minimum,
        needed=needed,
        code=strong_enough("totp", minimum) and codes.app_of(person) is not None,
        offered=needed or (older_key and pages_people.signs(person)),
        text=text,
        encoded=base64.b64encode(data).decode(),
        command=f"printf %s {shlex.quote(text)} | ssh-keygen -Y sign -n {NAMESPACE} -f {KEY}",
        passkeys=" ".join(passkeys.of(person)) if party else "",
        party=party,
        origin=passkeys.origin(),
    )


def given(posted: QueryDict) -> dict[str, Any] | None:
    """The decision's proof as services take it, or None for the session alone."""
    statement = posted.get("statement", "")
    if posted.get("credential"):
        answer = {name: posted.get(f"passkey_{name}", "") for name in ANSWER[1:]}
        return {"statement": statement, "passkey": {"credential": posted["credential"], **answer}}
    if armored := posted.get("signature", "").strip():
        return {"statement": statement, "signature": armored.replace("\r\n", "\n") + "\n"}
    code = posted.get("totp", "").strip()
    return {"totp": code} if code else None
