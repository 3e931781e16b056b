"""Contacts targets beside the runs: whether each answers as the one that people confirmed. Nobody logs in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import groupby

import structlog
from django.db import DatabaseError, connections

from procedures.domain.clock import now
from procedures.models import Target
from procedures.services import plans, targets
from procedures.ssh.contact import contact_each

log = structlog.get_logger(__name__)
EVERY_S = 15.0


def look_at(environments: Sequence[str]) -> None:
    """From now on contact the targets of these environments, each when it is due."""
    threading.Thread(target=_look, args=(list(environments),), name="contacting", daemon=True).start()


def _look(environments: Sequence[str]) -> None:
    stop = threading.Event()
    while not stop.wait(EVERY_S):
        try:
            _contact(targets.due(environments, at=now()))
        except DatabaseError as problem:
            log.warning("targets.contact", problem=str(problem))
        finally:
            connections.close_all()


def contact_all(environment: str) -> None:
    """Contact every target of an environment now."""
    _contact(list(Target.objects.filter(environment=environment, ended_at__isnull=True).order_by("environment_id")))


def _contact(rows: Sequence[Target]) -> None:
    for environment, mine in groupby(sorted(rows, key=lambda row: row.environment_id), lambda row: row.environment_id):
        here = {row.name: row for row in mine}
        found = contact_each([plans.as_port(row) for row in here.values()])
        results = {here[name].pk: (str(state), message) for name, (state, message) in found.items()}
        targets.contacted(environment=environment, results=results, at=now())
