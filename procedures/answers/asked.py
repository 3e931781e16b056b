"""What may be asked, by whom, and about which moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from procedures import access
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.models import VERBS, Environment, Person, Procedure

READERS = ("manage_access", "audit")


def is_reader(actor: Person, at: datetime) -> bool:
    """Managers of access and auditors of the whole portal."""
    return any(access.decide(actor, verb, at=at).allowed for verb in READERS)


def require_reader(actor: Person, at: datetime) -> None:
    """Raises NotAllowed for everybody else."""
    if not is_reader(actor, at):
        raise NotAllowed("Access managers and auditors ask who may do what.")


def person_of(actor: Person, username: str, at: datetime) -> Person:
    """The person who is asked about: oneself, or anybody for a manager or auditor. Raises NotAllowed, NotFound."""
    if username != actor.username:
        require_reader(actor, at)
    row = Person.objects.filter(username=username).first()
    if row is None:
        raise NotFound(f"There is no person {username}.")
    return row


def moment_of(text: str, at: datetime, *, pointer: str) -> datetime:
    """A date, meaning its last moment in UTC, or a full time; empty means now. Never later than now."""
    if not text:
        return at
    try:
        if len(text) == 10:
            found = datetime.combine(date.fromisoformat(text), time.max, UTC)
        else:
            found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise InvalidInput(
            [(pointer, "is no date such as 2026-11-25, nor a time such as 2026-11-25T12:00:00Z")]
        ) from problem
    if found.tzinfo is None:
        raise InvalidInput([(pointer, "is a time without a zone: add Z for UTC")])
    return min(found, at)


def question(given: Mapping[str, str]) -> tuple[str, str | None, str | None]:
    """(verb, procedure, environment) that exist; None where nothing was named. Raises InvalidInput."""
    verb = given.get("verb") or "run"
    procedure, environment = given.get("procedure") or None, given.get("environment") or None
    problems = []
    if verb not in VERBS:
        problems.append(("/verb", f"is not one of {', '.join(VERBS)}"))
    if procedure and not Procedure.objects.filter(name=procedure).exists():
        problems.append(("/procedure", f"there is no procedure {procedure!r}"))
    if environment and not Environment.objects.filter(name=environment).exists():
        problems.append(("/environment", f"there is no environment {environment!r}"))
    if problems:
        raise InvalidInput(problems)
    return verb, procedure, environment
