"""Lending: intent on record, then the side effect, then issued on record, and back at the end whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import structlog

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.lending import NEVER, Fetch, Lend, Look, Open, Return
from procedures.domain.ports import Lease, Provider, Target
from procedures.domain.secrets import Secret
from procedures.issuer.inventories import secret_of
from procedures.issuer.issue import issue, judged
from procedures.issuer.looking import look
from procedures.issuer.refusals import LeaseRefused, NotYours
from procedures.issuer.renewing import renew
from procedures.issuer.returning import given_back
from procedures.issuer.runners import Prove
from procedures.issuer.sealed import secrets_of_run
from procedures.issuer.stock import Stock
from procedures.models import Task
from procedures.services import leases, remotes
from procedures.services.moments import database_now
from procedures.services.steady import steadily

log = structlog.get_logger(__name__)
ENDED = "the step has ended"
SECRETS = "what was asked for at its launch"
LOOKED = "what was lost was looked for"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lent:
    """A lease in somebody's hands. `task` and `target` where it was lent only to look for what that task left there."""

    lease: Lease
    provider: Provider
    task: Task | None = None
    target: Target | None = None

    @property
    def where(self) -> Target:
        """Raises LeaseRefused where it was lent for a step."""
        if self.target is None:
            raise LeaseRefused("This lease was lent for a step, not to look.")
        return self.target


@dataclass(frozen=True, slots=True)
class Issuer:
    """Answers one runner, which `prove` has sign. Cheap to make: what a process lends from is in `stock`."""

    stock: Stock
    prove: Prove

    @contextmanager
    def lend(self, asked: Lend, cancelled: threading.Event = NEVER) -> Iterator[Lease]:
        lent = self.hand_out(asked)
        lent.lease.renew = lambda: self.renew(asked, lent)
        try:
            yield lent.lease
        finally:
            self._taken_back(lent, ENDED)

    @contextmanager
    def look(self, asked: Look) -> Iterator[tuple[Lease, Target]]:
        lent = self.hand_out(asked)
        try:
            yield lent.lease, lent.where
        finally:
            self._taken_back(lent, LOOKED)

    def open(self, asked: Open) -> Mapping[str, Secret]:
        def opened() -> Mapping[str, Secret]:
            found = judged(self.stock, self.prove, asked, database_now())
            return secrets_of_run(self.stock.keys, found.run)

        return self._or_noted(asked, opened)

    def fetch(self, asked: Fetch) -> Secret:
        return steadily(lambda: secret_of(self.stock, self.prove, asked))

    def give_back(self, asked: Return) -> str:
        """End a lease that its runner had in hand while the issuer was away; how it ended. Raises LeaseRefused."""
        return steadily(lambda: given_back(self.stock, self.prove, asked))

    def answers(self) -> bool:
        return True

    def hand_out(self, asked: Lend | Look) -> Lent:
        """A lease that is in somebody's hands until `take_back`. Raises LeaseRefused; nothing is lent then."""
        id = uuid7()
        self.stock.held.add(id)
        try:
            return self._looked(asked, id) if isinstance(asked, Look) else self._issued(asked, id)
        except BaseException:
            self.stock.held.discard(id)
            raise

    def renew(self, asked: Lend, lent: Lent) -> datetime:
        """More time for what was lent for this very question and is in hand. A refusal is evidence. Raises OpsError."""
        return self._or_noted(asked, lambda: renew(self.stock, self.prove, asked, lent.lease, lent.provider), once=True)

    def _issued(self, asked: Lend, id: UUID) -> Lent:
        try:
            made = self._or_noted(asked, lambda: issue(self.stock, self.prove, asked, id))
        except LeaseRefused:
            raise
        except Exception:
            leases.unissued(lease=id, at=now())
            raise
        return Lent(*made)

    def _looked(self, asked: Look, id: UUID) -> Lent:
        return Lent(*steadily(lambda: look(self.stock, self.prove, asked, id)))

    def _or_noted(self, asked: Lend | Open, call: Callable[[], T], *, once: bool = False) -> T:
        """What `call` gives, as soon as the database is there; a refusal is evidence."""
        try:
            return steadily(call)
        except LeaseRefused as refusal:
            what = (asked.step, asked.target, asked.credential) if isinstance(asked, Lend) else ("", "", SECRETS)
            step, target, credential = what
            stranger = isinstance(refusal, NotYours)
            leases.refused(
                run=asked.run,
                step=step,
                target=target,
                credential=credential,
                why=refusal.message,
                at=now(),
                stranger=stranger,
                once=once,
            )
            raise

    def _taken_back(self, lent: Lent, why: str) -> None:
        """What the step did is done, whatever its provider says now: the sweep tries again to end what is left."""
        try:
            self.take_back(lent, why)
        except Exception as problem:  # noqa: BLE001 - its words may hold what was lent
            log.warning("lease.left", lease=str(lent.lease.id), kind=type(problem).__name__)

    def take_back(self, lent: Lent, why: str) -> str:
        """End a lease, at its provider and on record; how it ended."""
        try:
            how = lent.provider.revoke(lent.lease.handle, why)
            if lent.task is not None:
                remotes.revoked(lease=lent.lease.id, run=lent.task.run, how=how, why=why, at=now())
            else:
                leases.revoked(lease=lent.lease.id, how=how, why=why, at=now())
            return how
        finally:
            self.stock.held.discard(lent.lease.id)
