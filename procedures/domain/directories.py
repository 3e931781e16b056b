"""What a directory says of one person over SCIM, and how much one of its requests may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.limits import DIRECTORY_MEMBERS, DIRECTORY_OPERATIONS

ACCOUNT = "system:scim-"  # what the account that acts for a provider is called, before the provider's name
WORK = 50_000  # operations of a PATCH times members of its group: what each costs grows with both


@dataclass(frozen=True, slots=True)
class Pushed:
    """One person as a directory has them. `active` is None where it does not say; `said` is kept as SCIM has it."""

    external_id: str
    username: str
    name: str
    email: str
    active: bool | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


def too_much(operations: int, members: int = 0) -> str:
    """Why a PATCH of so many operations, on a group of so many members, is not begun; or an empty string."""
    if operations > DIRECTORY_OPERATIONS:
        return f"A PATCH holds at most {DIRECTORY_OPERATIONS} operations; this one holds {operations}. Send several."
    if members > DIRECTORY_MEMBERS:
        return f"A group holds at most {DIRECTORY_MEMBERS:,} people. Split it."
    if operations * members > WORK:
        most = max(1, WORK // members)
        return f"For a group of {members} a PATCH holds at most {most} operations. Send several."
    return ""
