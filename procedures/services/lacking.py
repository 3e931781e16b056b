"""Asking for what was taken away because nobody used it: the refusal names the narrowing, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from procedures import access
from procedures.access.decision import Decision, dated_rights
from procedures.domain import narrower
from procedures.domain.errors import NotAllowed
from procedures.models import Person, Procedure

READ = 20


def require(actor: Person, verb: str, *, at: datetime, procedure: Procedure, **question: Any) -> Decision:
    """As `access.require`; where this person's access was narrowed by its use, the refusal says so."""
    try:
        return access.require(actor, verb, at=at, procedure=procedure, **question)
    except NotAllowed as refusal:
        refusal.add(_narrowed(actor, verb, procedure, at))
        raise


def _narrowed(actor: Person, verb: str, procedure: Procedure, at: datetime) -> str:
    """Words about the newest such access to this very procedure; nothing where there is none."""
    rights = dated_rights(actor, verb, at).filter(procedure=procedure, grant__reason__contains="observation sha256:")
    grant = next((right.grant for right in rights.select_related("grant").order_by("-grant")[:READ]), None)
    if grant is None or not (mark := narrower.marked(grant.reason)):
        return ""
    return f"Your access was narrowed to what was used, on {grant.created_at:%Y-%m-%d} (observation {mark[:19]}…)."
