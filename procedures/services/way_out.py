"""What the egress process refused is on the record: a web process that asks so is mistaken, or is another's now."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from procedures.evidence.record import record


def refused(*, asked: str, why: str, count: int, at: datetime) -> None:
    """`asked` says method and address without a query; `count` how often it was refused so."""
    with transaction.atomic(durable=True):
        record("egress.refused", actor=None, at=at, facts={"asked": asked, "why": why, "count": count})
