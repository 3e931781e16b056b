"""What a reviewer reads before deciding: the semantic diff of a version, and who gains from its acceptance."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from procedures.api import shapes
from procedures.api.versions import VersionDoor
from procedures.domain.clock import now
from procedures.domain.differences import counted
from procedures.models import Version
from procedures.queries import differences, file_diffs, gains, pages_reviews
from procedures.services import review_rules, reviews


class Diff(VersionDoor):
    """The same rows as on the page, wider ones first; `against` is null for a first version."""

    def get(self, request: Request, pk: str) -> Response:
        row = self.version(pk)
        base = differences.base_of(row)
        rows = differences.differences(base, row, now())
        risk, reasons = review_rules.risk_now(row)
        return Response(
            {
                "version": _named(row),
                "against": _named(base) if base else None,
                "risk": {"before": base.risk if base else None, "now": risk, "reasons": reasons},
                "effects": counted(rows),
                "rows": [asdict(one) for one in rows],
                "files": [
                    {"path": one.path, "added": one.added, "removed": one.removed, "note": one.note}
                    for one in file_diffs.file_diffs(base, row)
                ],
            }
        )


class Gains(VersionDoor):
    """Who may run it the moment it is accepted; names are for reviewers, authors, managers and auditors."""

    def get(self, request: Request, pk: str) -> Response:
        row = self.version(pk)
        found = gains.gains(row, now())
        named = pages_reviews.knows_people(self.actor, row, now())
        return Response(
            {
                "version": _named(row),
                "runs_now": gains.runs_now(row),
                "persons": len({gain.person.pk for gain in found}),
                "newly": gains.newly(found),
                "results": [_gain(gain) for gain in found] if named else [],
                "missing": _missing(self.actor, row),
            }
        )


def _missing(actor: Any, row: Version) -> list[dict[str, Any]]:
    asked = pages_reviews.asked(actor, row, reviews.still_missing(row), now())
    return [{"duty": one.duty, "could": [p.username for p in one.people], "count": one.count} for one in asked]


def _gain(gain: gains.Gain) -> dict[str, Any]:
    return {
        "person": shapes.person(gain.person),
        "verb": gain.verb,
        "new": gain.new,
        "kept": gain.kept,
        "through": gain.through,
        "limits": gain.limits,
        "grant": str(gain.grant.pk),
        "not_before": shapes.at(gain.grant.not_before_at),
        "expires_at": shapes.at(gain.until_at),
    }


def _named(row: Version) -> dict[str, Any]:
    return {"id": str(row.id), "number": row.number, "digest": row.digest, "state": row.state}
