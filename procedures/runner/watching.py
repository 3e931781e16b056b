"""What a runner does beside runs: looks at its sandbox once, and says that it is there."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connections

from opsportal import alive
from procedures.domain.clock import now
from procedures.engine import draining
from procedures.runner import mask, reporting
from procedures.runner.drive import identity
from procedures.runner.identity import Identity
from procedures.sandbox import probe
from procedures.services import runner_reports, runners

log = structlog.get_logger(__name__)
EVERY_S = 5.0


def start(environments: Sequence[str]) -> None:
    """Test mask and sandbox, then say every five seconds that this runner lives, and what it cannot do."""
    if through := mask.through():
        log.error("runner.mask", through=list(through), why="a canary came through: this runner takes no run")
    say_alive(identity(), _tier(), environments)


def _tier() -> str:
    """The tier that steps will run in; what keeps this host from a stronger one stands in the log."""
    looked = probe.settled()
    if looked.why:
        log.warning("runner.sandbox", tier=looked.tier, why=looked.why)
    return looked.tier


def say_alive(me: Identity, found: str, environments: Sequence[str] = ()) -> None:
    """Report what this runner can, then say every five seconds that it lives, and whether its issuers still answer."""
    said = reporting.said(environments)
    runner_reports.report(runner=me.id, tier=found, version=settings.OPSPORTAL_VERSION, said=said, at=now())
    threading.Thread(target=_beat, args=(me, found, said, environments), name="runner-heartbeat", daemon=True).start()


def _beat(me: Identity, found: str, said: dict[str, Any], environments: Sequence[str]) -> None:
    stop = threading.Event()
    while True:
        try:
            runners.beat(runner=me.id, tier=found, software=settings.OPSPORTAL_VERSION, at=now())
            _leave_if_ended(me)
            told = {"issuer": reporting.issuers(environments), "draining": draining.wanted.is_set()}
            if told != {name: said[name] for name in told}:
                said = {**said, **told}
                version = settings.OPSPORTAL_VERSION
                runner_reports.report(runner=me.id, tier=found, version=version, said=said, at=now())
            alive.touch(settings.OPSPORTAL_ALIVE_FILE)
        except DatabaseError as problem:
            log.warning("runner.heartbeat", problem=str(problem))
        finally:
            connections.close_all()
        stop.wait(EVERY_S)


def _leave_if_ended(me: Identity) -> None:
    """A runner that was ended, or whose key another process uses, lets go of its work and ends."""
    if why := runner_reports.still_mine(runner=me.id, process=reporting.PROCESS):
        log.error("runner.ended", runner=me.name, why=why)
        os.kill(os.getpid(), signal.SIGTERM)
