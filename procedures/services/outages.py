"""Records of outages: two people sign afterwards what could not run and what was done by hand. No table holds them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import outages
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import ControlChange, Environment, Person


def problems(object: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a record may not say: it is over, its acts lie within it, and the portal knows who did them."""
    rows = Person.objects.filter(subject__in=outages.doers(object))
    people = {str(subject) for subject in rows.values_list("subject", flat=True)}
    found = outages.problems(object, at=moment(now()), people=people)
    if not Environment.objects.filter(pk=object["environment"]).exists():
        found.append(("/object/environment", f"there is no environment {object['environment']!r}"))
    return found


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """It changes nothing: whoever asks what was done by hand asks the log."""
