"""What a runner says when it asks its issuer: names, and nothing that decides anything.

The same five questions are asked within one process and over a socket. What a step may do with which account on which
host the issuer looks up itself; a scope that a caller supplies is the confused deputy of every older tool.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Protocol
from uuid import UUID

from procedures.domain.canonical import canon
from procedures.domain.errors import OpsError
from procedures.domain.ports import Lease, Target
from procedures.domain.secrets import Secret

NEVER = threading.Event()  # of a question that nobody takes back


class NoLongerWanted(OpsError):
    """The run was canceled, stopped or lost while its runner waited for the issuer."""

    code = "issuer.no-longer-wanted"
    next_step = "Nothing: nothing was lent."


@dataclass(frozen=True, slots=True)
class Lend:
    """The credential of one (run, step, target, attempt). `claim` is the token of the claim or of the batch."""

    run: UUID
    claim: UUID
    step: str
    target: str
    attempt: int
    credential: str


@dataclass(frozen=True, slots=True)
class Open:
    """What was asked for at a run's launch and sealed for it."""

    run: UUID
    claim: UUID


@dataclass(frozen=True, slots=True)
class Look:
    """A credential only to look for what a lost run left on a target."""

    runner: UUID
    task: UUID


@dataclass(frozen=True, slots=True)
class Fetch:
    """A static secret that a confirmed inventory reads its source with."""

    runner: UUID
    inventory: str
    secret: str


@dataclass(frozen=True, slots=True)
class Return:
    """Give back a lease whose connection was lost meanwhile."""

    runner: UUID
    lease: UUID


Asked = Lend | Open | Look | Fetch | Return


def mark(asked: Asked) -> bytes:
    """A digest of the question, so that a proof for one question is none for another."""
    said = {
        one.name: value if isinstance(value := getattr(asked, one.name), int) else str(value) for one in fields(asked)
    }
    return hashlib.sha256(canon({"ask": type(asked).__name__, **said})).digest()


class Lender(Protocol):
    """Lends the credential of one step for as long as it acts; gives it back whatever happens."""

    def lend(self, asked: Lend, cancelled: threading.Event = NEVER) -> AbstractContextManager[Lease]:
        """Raises LeaseRefused, what the provider refuses, and NoLongerWanted once `cancelled` is set."""


class Issuing(Lender, Protocol):
    """An issuer as runners know it, in their own process or apart from it. Safe from several threads."""

    def open(self, asked: Open) -> Mapping[str, Secret]:
        """A run's launch-time secrets by name. Raises LeaseRefused, WillNotOpen."""

    def look(self, asked: Look) -> AbstractContextManager[tuple[Lease, Target]]:
        """Raises LeaseRefused."""

    def fetch(self, asked: Fetch) -> Secret:
        """Raises LeaseRefused, WillNotOpen."""

    def answers(self) -> bool:
        """Whether it can be asked now."""
