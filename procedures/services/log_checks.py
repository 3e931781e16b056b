"""Keeps what a whole check of the evidence found, and tells security of it once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db import transaction

from procedures.evidence.findings import Finding
from procedures.evidence.models import Checkpoint, LogCheck
from procedures.queries import eligible
from procedures.services.notices import tell

EVERY = timedelta(hours=24)
KEPT = 100
EVIDENCE = "/evidence/"


@dataclass(frozen=True, slots=True)
class Found:
    """`first` are the first hundred findings of `sure` that do not fit and `unsure` that could not be checked."""

    sure: int
    unsure: int
    first: Sequence[Finding]


def due(*, at: datetime) -> bool:
    """Whether the last check is a day ago."""
    last = LogCheck.objects.order_by("-id").values_list("began_at", flat=True).first()
    return last is None or at - last >= EVERY


def keep(found: Found, *, began_at: datetime, at: datetime) -> LogCheck:
    """Store a check; what is wrong is told to security, once while it stays the same."""
    last = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    with transaction.atomic(durable=True):
        row = LogCheck.objects.create(
            began_at=began_at,
            ended_at=at,
            events=last,
            found=found.sure,
            unsure=found.unsure,
            findings=[asdict(one) for one in found.first],
        )
        if found.sure:
            wrong = [one for one in found.first if one.sure]
            mark = hashlib.sha256("\n".join(one.text for one in wrong).encode()).hexdigest()[:16]
            facts = {"count": found.sure, "first": wrong[0].kind if wrong else "", "when": at}
            tell("log.damaged", eligible.security(at), key=f"damaged:{mark}", path=EVIDENCE, at=at, facts=facts)
    return row
