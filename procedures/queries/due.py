"""What to review again: acceptances that end soon or have ended, what is pinned to what moved on, or reaches more."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from procedures.domain.acceptances import DUE_BEFORE
from procedures.domain.calls import MAX_DEPTH
from procedures.domain.states import VersionState
from procedures.models import Person, Version
from procedures.queries.pages_shell import covered
from procedures.queries.reach import grown, grown_among

MOST = 200


def due_for_review(person: Person, at: datetime) -> list[Version]:
    """What this person may see of the queue, the most urgent first; what is in review already is left out."""
    ending = Q(state=VersionState.ACCEPTED.value, expires_at__lte=at + DUE_BEFORE)
    instead = Version.objects.filter(
        procedure=OuterRef("procedure"), state__in=[VersionState.IN_REVIEW.value, VersionState.ACCEPTED.value]
    ).exclude(pk=OuterRef("pk"))
    accepted = Version.objects.filter(state=VersionState.ACCEPTED.value, expires_at__gt=at)
    bound = accepted.exclude(definition__credentials={})
    behind = {row.pk for row in _callers() if moved_on(row, at)} | {row.pk for row in grown_among(bound, at)}
    wanted = ending | Q(pk__in=behind) | Q(state=VersionState.EXPIRED.value)
    rows = Version.objects.filter(wanted, procedure__retired_at__isnull=True)
    newest = rows.exclude(Exists(instead)).select_related("procedure", "submitter").order_by("expires_at", "-number")
    rights = [covered(person, verb, at) for verb in ("review", "author", "view")]
    seen = [row for row in newest[: MOST * 5] if any(right.has(row.procedure_id) for right in rights)]
    last: dict[object, Version] = {}
    for row in seen:
        known = last.get(row.procedure_id)
        last[row.procedure_id] = row if known is None or row.number > known.number else known
    return list(last.values())[:MOST]


def moved_on(version: Version, at: datetime, depth: int = 0) -> list[str]:
    """Names of what an accepted version is pinned to and that is accepted so no longer: it can call none of that."""
    if version.state != VersionState.ACCEPTED or depth > MAX_DEPTH:
        return []
    pinned = {str(name): str(digest) for name, digest in version.closure.get("calls", [])}
    pinned |= {str(name): str(digest) for name, digest in version.closure.get("options", [])}
    rows = Version.objects.filter(
        procedure__name__in=pinned, digest__in=pinned.values(), state=VersionState.ACCEPTED.value, expires_at__gt=at
    ).select_related("procedure")
    live = {row.procedure.name: row for row in rows if pinned[row.procedure.name] == row.digest}
    return sorted(name for name in pinned if name not in live or moved_on(live[name], at, depth + 1))


def review_again(version: Version, at: datetime) -> list[str]:
    """What has changed around an accepted version since, so that the same bytes may be reviewed again at once."""
    return [*moved_on(version, at), *grown(version, at)]


def _callers() -> list[Version]:
    """Accepted versions that are pinned to others."""
    pins = ~Q(closure__calls=[]) | Q(closure__has_key="options")
    return list(Version.objects.filter(pins, state=VersionState.ACCEPTED.value))
