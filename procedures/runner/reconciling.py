"""Finds out what lost runs left on their targets: the next runner of the environment looks, ends it, and says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connections

from procedures.domain import lost
from procedures.domain.clock import now
from procedures.domain.errors import OpsError
from procedures.domain.lending import Issuing, Look
from procedures.domain.ports import Lease, Target
from procedures.issuer import host_certificates, pools, returning
from procedures.models import Task
from procedures.runner.drive import identity, issuer, stock_here
from procedures.services import remotes
from procedures.services.moments import database_now
from procedures.ssh.host_certificates import demanded_of
from procedures.ssh.restricted import words
from procedures.ssh.session import drive
from procedures.ssh.transport import connect

log = structlog.get_logger(__name__)
EVERY_S = 2.0
SWEEPS_EVERY, PROVIDERS_EVERY = 5, 30  # rounds
LONGEST_S = 300.0  # between two tries at a host that does not answer


@dataclass(slots=True)
class Reconciler:
    """Which tasks this process has looked for, and when it tries each again."""

    environments: Sequence[str]
    runner: UUID
    issuer: Callable[[str], Issuing]
    due: dict[UUID, tuple[float, float]] = field(default_factory=dict)

    def round(self) -> int:
        """Look for each task that is due; of how many it is known now that they are dead."""
        dead = 0
        for task in remotes.unknown(self.environments, at=now()):
            wait, next_at = self.due.get(task.pk, (EVERY_S, 0.0))
            if time.monotonic() < next_at:
                continue
            remote, why = self.look_for(task)
            remotes.tell(task=task.pk, remote=remote, why=why, runner=self.runner, at=now())
            self.due[task.pk] = min(wait * 2, LONGEST_S), time.monotonic() + wait
            dead += remote == "dead"
        return dead

    def look_for(self, task: Task) -> tuple[Literal["dead", "unknown"], str]:
        """What is known of a lost task now, and how; raises nothing for what the world does."""
        mark = remotes.mark_of(task)
        if mark == "":
            return "dead", "No credential was lent for it yet, so nothing was sent."
        if mark is None:
            return "unknown", "This step leaves no mark by which it could be found."
        try:
            with self.issuer(task.run.environment_id).look(Look(self.runner, task.pk)) as (lease, target):
                return _on_host(task, target, lease, mark)
        except OpsError as problem:
            return "unknown", problem.message


def _on_host(task: Task, target: Target, lease: Lease, mark: str) -> tuple[Literal["dead", "unknown"], str]:
    wanted = lost.looking(mark=mark, run=task.run_id, host=target.name, salt=str(lease.id))
    private, certificate, agent = (lease.material.get(name) for name in ("private_key", "certificate", "agent_key"))
    transport = connect(
        address=target.address,
        port=target.port,
        host_key=target.host_key,
        account=str(lease.evidence["account"]),
        private_key=private.reveal() if private else b"",
        certificate=certificate.reveal().decode() if certificate else None,
        agent_key=agent.reveal().decode() if agent else "",
        demanded=demanded_of(target),
    )
    try:
        said = drive(
            transport,
            words(lease, wanted.sha256, lost.SECONDS),
            wanted,
            seconds=lost.SECONDS,
            cancelled=threading.Event(),
            write=_unread,
        )
    finally:
        transport.close()
    return lost.found(said.output, said.status)


def _unread(stream: str, data: bytes) -> None:
    """What the look prints is no output of the run; what it found is in its file."""


def start(environments: Sequence[str]) -> None:
    """From now on look for what lost runs of these environments left behind."""
    threading.Thread(target=_keep_looking, args=(list(environments),), name="reconciling", daemon=True).start()


def _keep_looking(environments: Sequence[str]) -> None:
    stop, mine, rounds = threading.Event(), Reconciler(environments, identity().id, issuer), 0
    while not stop.wait(EVERY_S):
        try:
            mine.round()
            rounds += 1
            if not settings.OPSPORTAL_ISSUER_SOCKET:
                _sweep(environments, rounds)
        except DatabaseError as problem:
            log.warning("reconciling.database", problem=str(problem))
        finally:
            connections.close_all()


def _sweep(environments: Sequence[str], rounds: int) -> None:
    """The issuer of this process ends what nobody has in hand; one of its own process does so for itself."""
    stock, at = stock_here(), database_now()
    if rounds % SWEEPS_EVERY == 0:
        returning.sweep(stock, environments, at=at)
    if rounds % PROVIDERS_EVERY == 0:
        returning.sweep_providers(stock, environments, at=at)
        host_certificates.sign_due(stock, environments, at=at)
        pools.turn(stock, environments, at=at)
