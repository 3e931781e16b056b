"""A grant in the tables as the object that was signed, or that would take its place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from procedures.domain.access_requests import Asked
from procedures.domain.canonical import moment
from procedures.models import Grant

KEPT = ("constraint", "unconstrained", "target_filter", "window", "period", "selector", "grows")


def object_of(grant: Grant, at: datetime) -> dict[str, Any]:
    """A grant as the object that would replace it, unchanged but for its beginning."""
    asked = asked_of(grant, at)
    made = asked.grant(at)
    return {**made, "expires_at": moment(grant.expires_at), "replaces": str(grant.pk)}


def asked_of(grant: Grant, at: datetime) -> Asked:
    """The grant as something that another may not go beyond."""
    who = f"person:{grant.person.subject}" if grant.person else f"group:{grant.group.name if grant.group else ''}"
    limits = {name: getattr(grant, name) for name in KEPT}
    return Asked(
        principal=who,
        verbs=grant.verbs,
        procedure=grant.procedure.name if grant.procedure else "",
        environments=grant.environments,
        days=(grant.expires_at - at).days + 1,
        reason=grant.reason,
        kept={name: value for name, value in limits.items() if value},
        extends=str(grant.pk),
    )
