"""Answers and registers as files: CSV whose cells are no formulas, and a PDF with what to judge the list by."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.conf import settings

from procedures.domain.errors import InvalidInput
from procedures.evidence.models import Checkpoint
from procedures.evidence.paper import Facts, Paper, Section, Table
from procedures.evidence.paper_pdf import as_pdf
from procedures.evidence.verify import table

TITLES: Mapping[str, str] = {
    "who": "Who can",
    "person": "What a person can do",
    "drift": "Tables against evidence",
    "separation": "Separation of duties",
    "exceptions": "Exceptions",
    "reads": "Reads",
    "changes": "Changes of access",
    "stops": "Stops and freezes",
    "erasures": "Erasures and holds",
    "outages": "Outages",
}
FORMS: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}


def file_of(form: str, kind: str, rows: Sequence[Any], *, at: datetime, by: str) -> tuple[bytes, str]:
    """(the file, its media type) of an answer. Raises InvalidInput for another form than csv or pdf."""
    if form not in FORMS:
        raise InvalidInput([("/as", f"{form!r} is not one of {', '.join(FORMS)}")])
    data = csv_of(rows)
    return (data if form == "csv" else as_pdf(_paper(kind, rows, data, at=at, by=by))), FORMS[form]


def csv_of(rows: Sequence[Any]) -> bytes:
    told = [{name: _cell(value) for name, value in asdict(row).items()} for row in rows]
    heads = list(told[0]) if told else ["nothing"]
    return table([heads, *(list(row.values()) for row in told)])


def _paper(kind: str, rows: Sequence[Any], data: bytes, *, at: datetime, by: str) -> Paper:
    """The rows, after the panel: information produced by the entity."""
    last = Checkpoint.objects.order_by("-size").first()
    totals = Counter(str(row.kind) for row in rows if hasattr(row, "kind"))
    panel = [
        ("As of", f"{at:%Y-%m-%d %H:%M:%S} UTC"),
        ("From", settings.OPSPORTAL_PUBLIC_URL),
        ("Log", f"{last.size:,} events, root {bytes(last.root).hex()}" if last else "empty"),
        ("Rows", f"{len(rows):,}"),
        ("Of each kind", ", ".join(f"{count:,} {name}" for name, count in sorted(totals.items())) or "–"),
        ("Made by", f"opsportal {settings.OPSPORTAL_VERSION}, for {by}"),
        ("SHA-256 of the CSV", hashlib.sha256(data).hexdigest()),
    ]
    heads = list(asdict(rows[0])) if rows else ["nothing"]
    body = [[_cell(value) for value in asdict(row).values()] for row in rows]
    shown = Table([head.replace("_", " ") for head in heads], body, "Nothing until then.")
    under = "From the signed events as they stood. Facts that support a control; the auditor concludes."
    return Paper(TITLES[kind], under, [Section("What to judge it by", [Facts(panel)]), Section("Rows", [shown])])


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
