"""A campaign's result as files: one line for each grant, and no cell that a spreadsheet would run (H29)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from procedures.domain.canonical import moment
from procedures.domain.cells import quoted
from procedures.models import Campaign, CampaignItem

COLUMNS = ("grant", "who", "verbs", "procedure", "environments", "expires_at", "decision", "by", "at", "reason")


def _rows(campaign: Campaign) -> Iterator[tuple[str, ...]]:
    joined = ("grant__person", "grant__group", "grant__procedure", "decided_by")
    for item in CampaignItem.objects.filter(campaign=campaign).select_related(*joined).order_by("pk").iterator(500):
        yield _row(item)


def _row(item: CampaignItem) -> tuple[str, ...]:
    grant = item.grant
    who = f"person:{grant.person.username}" if grant.person else f"group:{grant.group.name if grant.group else ''}"
    return (
        str(grant.pk),
        who,
        " ".join(grant.verbs),
        grant.procedure.name if grant.procedure else " ".join(grant.selector) or "every procedure",
        " ".join(grant.environments) or "everywhere",
        moment(grant.expires_at),
        item.decision or "undecided",
        item.decided_by.username if item.decided_by else "",
        moment(item.decided_at) if item.decided_at else "",
        item.reason,
    )


def as_csv(campaign: Campaign) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([quoted(cell) for cell in row] for row in _rows(campaign))
    return text.getvalue().encode()


def as_json(campaign: Campaign) -> bytes:
    head = {"campaign": str(campaign.pk), "name": campaign.name, "digest": campaign.set_digest, "state": campaign.state}
    grants = [dict(zip(COLUMNS, row, strict=True)) for row in _rows(campaign)]
    return json.dumps({**head, "due_at": moment(campaign.due_at), "grants": grants}, ensure_ascii=False).encode()
