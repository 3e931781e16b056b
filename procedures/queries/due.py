"""Acceptances that end soon or have ended with nothing in their place: the queue of what to review again."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from procedures.domain.acceptances import DUE_BEFORE
from procedures.domain.states import VersionState
from procedures.models import Person, Version
from procedures.queries.pages_shell import covered

MOST = 200


def due_for_review(person: Person, at: datetime) -> list[Version]:
    """What this person may see of the queue, the most urgent first; what is in review already is left out."""
    ending = Q(state=VersionState.ACCEPTED.value, expires_at__lte=at + DUE_BEFORE)
    instead = Version.objects.filter(
        procedure=OuterRef("procedure"), state__in=[VersionState.IN_REVIEW.value, VersionState.ACCEPTED.value]
    ).exclude(pk=OuterRef("pk"))
    rows = Version.objects.filter(ending | Q(state=VersionState.EXPIRED.value), procedure__retired_at__isnull=True)
    newest = rows.exclude(Exists(instead)).select_related("procedure", "submitter").order_by("expires_at", "-number")
    rights = [covered(person, verb, at) for verb in ("review", "author", "view")]
    seen = [row for row in newest[: MOST * 5] if any(right.has(row.procedure_id) for right in rights)]
    last: dict[object, Version] = {}
    for row in seen:
        known = last.get(row.procedure_id)
        last[row.procedure_id] = row if known is None or row.number > known.number else known
    return list(last.values())[:MOST]
