"""The root of every refusal: what happened, a stable code, and what to do next."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote, urlencode


class OpsError(Exception):
    """Something the product refuses or could not do, told so that a person can act on it.

    `code` is stable and unique (a house test checks), `next_step` is one sentence,
    `pointer` is a JSON pointer into the input that caused it, or None. `link` is the page where one goes on, if any.
    """

    code: ClassVar[str] = "error"
    link: str = ""
    next_step: str = "Look at the message; if it does not help, ask whoever operates the portal."

    def __init__(self, message: str, *, pointer: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer

    def add(self, more: str) -> None:
        """Say more of it, if there is more to say."""
        if more:
            self.message = f"{self.message} {more}"
            self.args = (self.message,)

    def field_errors(self) -> list[dict[str, str]]:
        """Rows of `{"pointer", "message", "code"}`, one per field at fault; empty if no field is."""
        if self.pointer is None:
            return []
        return [{"pointer": self.pointer, "message": self.message, "code": self.code}]


class InvalidInput(OpsError):
    """One or several fields of an input are wrong. `problems` are (JSON pointer, message) pairs."""

    code = "input.invalid"
    next_step = "Mend the fields that are named and send the request again."

    def __init__(self, problems: list[tuple[str, str]], message: str | None = None) -> None:
        super().__init__(message or "; ".join(f"{pointer or '/'}: {text}" for pointer, text in problems))
        self.problems = problems

    def field_errors(self) -> list[dict[str, str]]:
        return [{"pointer": pointer, "message": text, "code": self.code} for pointer, text in self.problems]


class NotFound(OpsError):
    """There is no such thing, or the person may not know that there is."""

    code = "not-found"
    next_step = "Check the name; if somebody gave it to you, ask them for access."


class NotAllowed(OpsError):
    """The one decision function said no."""

    code = "access.denied"
    next_step = "Ask an access manager for a grant that covers this."
    counted_as: ClassVar[str] = ""  # what refusals of this kind are counted under, if not the service that refused

    @classmethod
    def for_want_of(cls, reason: str, *, verb: str, procedure: str, environment: str = "") -> NotAllowed:
        """A refusal that tells how to ask for what is lacking; the same whether or not there is such a procedure."""
        refusal = cls(reason)
        where = f" --environment {environment}" if environment else ""
        asked = urlencode({"verb": verb} | ({"environment": environment} if environment else {}))
        refusal.link = f"/procedures/{quote(procedure, safe='')}/ask/?{asked}"
        refusal.next_step = (
            f"Ask for it: opsportal access request {procedure}{where} --verb {verb} --days 30 --reason WHY, "
            "or on the procedure's page."
        )
        return refusal


class IllegalState(OpsError):
    """A change of state that the table of states does not know, or that came too late."""

    code = "state.illegal"
    next_step = "Look at the present state and decide again."
