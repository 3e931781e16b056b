"""Tells security when a witness, the time-stamping authority or the mirror fails for a quarter of an hour."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction

from procedures.evidence.mirrored import mirrored
from procedures.evidence.models import AnchorState
from procedures.evidence.witnessed import standings
from procedures.models import Notice
from procedures.queries import eligible
from procedures.services.notices import tell

SILENT = timedelta(minutes=15)
EVIDENCE = "/evidence/"


def alarm(*, at: datetime) -> int:
    """One round; each person hears once of each silence. Returns how many things there were to tell."""
    told = 0
    for one in standings(at):
        mark, facts = hashlib.sha256(one.key.encode()).hexdigest()[:16], {"witness": one.name}
        if one.silent_since and at - one.silent_since > SILENT:
            told += _once(
                "witness.silent", f"silent:{mark}", one.silent_since, {**facts, "since": one.silent_since}, at
            )
        if one.forgot_at:
            told += _once("witness.forgot", f"forgot:{mark}", one.forgot_at, {**facts, "when": one.forgot_at}, at)
    for what, why, since in _failing():
        if at - since > SILENT:
            told += _once("log.helper_failed", what, since, {"what": what, "why": why, "since": since}, at)
    return told


def _failing() -> Iterator[tuple[str, str, datetime]]:
    """What else vouches for the log and does not: (its name, why, since when)."""
    stamps = AnchorState.objects.filter(problem_at__isnull=False).first()
    if stamps is not None and stamps.problem_at:
        yield "time-stamping authority", stamps.problem, stamps.problem_at
    if (copy := mirrored()) is not None and copy.problem:
        yield "mirror", copy.problem, datetime.fromisoformat(copy.problem_at)


def _once(kind: str, key: str, since: datetime, facts: dict[str, object], at: datetime) -> int:
    named = f"{key}:{since.timestamp():.0f}"
    if Notice.objects.filter(kind=kind, key=named).exists():
        return 0
    with transaction.atomic():
        tell(kind, eligible.security(at), key=named, path=EVIDENCE, at=at, facts=facts)
    return 1
