"""The pack for other readers: OCSF events, OSCAL observations, a report as HTML and PDF. Nothing here is trusted."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from procedures.evidence import verify
from procedures.evidence.staging import Staging

NAMESPACE = uuid.UUID("8d1f3bd0-3f54-5a53-9a35-7c3a8c0a1d11")
ACTIVITY = {"run.requested": 1, "run.finished": 2, "access.denied": 3}
CONTROLS = {
    "version.accepted": ["CM-3", "CM-5", "AC-5"],
    "run.requested": ["CM-3", "AU-3"],
    "run.approved": ["AC-5", "AU-10"],
    "run.claimed": ["AC-6", "SI-7"],
    "task.finished": ["AU-12", "AU-14"],
    "control.confirmed": ["AC-2", "AC-6(1)"],
    "access.denied": ["AC-3", "AU-2"],
}
SHOWN = 1000  # rows of the report for reading; reports/population.csv has all of them
OBSERVED = "the observations"


class Standards:
    """The members of a pack that other tools read; a function of the log alone, so two exports agree."""

    def __init__(self, into: Staging) -> None:
        self.into, self.first, self.last = into, "", ""
        self.observed = tempfile.SpooledTemporaryFile(1 << 20)  # noqa: SIM115 (closed with the object)
        into.add("ocsf/events.jsonl", b"")

    def add(self, header: Mapping[str, Any]) -> None:
        """The next event of the scope."""
        self.first, self.last = self.first or header["at"], header["at"]
        self.into.add("ocsf/events.jsonl", _ocsf(header))
        if header["k"] in CONTROLS:
            self.observed.write((b",\n" if self.observed.tell() else b"") + _observation(header))

    def end(self, population: verify.Population, decisions: Mapping[str, int]) -> None:
        """`decisions` are the reviews and approvals of the pack, counted by strength."""
        head, _, tail = _oscal(self.first, self.last).partition(json.dumps(OBSERVED).encode())
        self.observed.seek(0)
        between = iter(lambda: self.observed.read(verify.CHUNK), b"")
        self.into.put("oscal/assessment-results.json", [head, *between, tail])
        shown = itertools.islice(population.rows(), SHOWN + 1)
        rows = list(csv.reader(row.decode() for row in shown))
        self.into.put("reports/report.html", [_html(rows, population.count, decisions)])
        self.into.put("reports/report.pdf", [_pdf(rows, population.count, decisions)])


def _ocsf(header: Mapping[str, Any]) -> bytes:
    """One API-activity event (class 6003)."""
    activity = ACTIVITY.get(header["k"], 99)
    event = {
        "class_uid": 6003,
        "category_uid": 6,
        "activity_id": activity,
        "type_uid": 600300 + activity,
        "severity_id": 1,
        "time_dt": header["at"],
        "metadata": {"uid": header["id"], "version": "1.3.0", "product": {"name": "OpsPortal"}},
        "api": {"operation": header["k"]},
        "unmapped": {"run": header.get("run", ""), "leaf_body": header["b"]},
    }
    return (json.dumps(event, sort_keys=True) + "\n").encode()


def _observation(header: Mapping[str, Any]) -> bytes:
    said = {
        "uuid": str(uuid.uuid5(NAMESPACE, header["id"])),
        "title": header["k"],
        "description": f"Evidence event {header['id']}.",
        "methods": ["EXAMINE"],
        "collected": header["at"],
        "props": [{"name": "control", "value": control} for control in CONTROLS[header["k"]]],
    }
    return json.dumps(said, sort_keys=True).encode()


def _oscal(first: str, last: str) -> bytes:
    """OSCAL 1.1 assessment results: observations only, never findings; a mark stands where they go."""
    result = {
        "uuid": str(uuid.uuid5(NAMESPACE, last)),
        "title": "Recorded facts",
        "description": "Observations of one log.",
        "start": first,
        "end": last,
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
        "observations": [OBSERVED],
    }
    document = {
        "assessment-results": {
            "uuid": str(uuid.uuid5(NAMESPACE, first + last)),
            "metadata": {
                "title": "OpsPortal evidence",
                "last-modified": last,
                "version": "1",
                "oscal-version": "1.1.2",
            },
            "import-ap": {"href": "#"},
            "results": [result],
        }
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def _more(rows: Sequence[Sequence[str]], count: int) -> str:
    return f" The first {len(rows) - 1} of them; reports/population.csv has all." if len(rows) <= count else ""


def _counts(decisions: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {strength}" for strength, count in decisions.items())
    return f"Reviews and approvals by strength: {told}."


def _html(rows: Sequence[Sequence[str]], count: int, decisions: Mapping[str, int]) -> bytes:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows[1:])
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Runs of this pack</title>"
        "<style>body{font:14px system-ui;margin:2rem}td,th{text-align:left;padding:.2rem .6rem}</style>"
        f"<h1>Runs of this pack</h1><p>{count} runs. Recomputed from every header of the range."
        f"{_more(rows, count)}</p>"
        f"<p>{html.escape(_counts(decisions))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></html>\n"
    )
    return page.encode()


def _pdf(rows: Sequence[Sequence[str]], count: int, decisions: Mapping[str, int]) -> bytes:
    raw = io.BytesIO()
    # Whoever draws loads what draws: a web process starts a tenth sooner without it.
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(raw, pagesize=A4, invariant=1)
    canvas.setTitle("Runs of this pack")
    line = 800
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(40, line, f"Runs of this pack: {count}")
    canvas.setFont("Helvetica", 9)
    line -= 16
    canvas.drawString(40, line, _counts(decisions) + _more(rows, count))
    canvas.setFont("Courier", 7)
    for row in rows:
        line -= 12
        if line < 40:
            canvas.showPage()
            canvas.setFont("Courier", 7)
            line = 800
        canvas.drawString(
            40, line, "  ".join(str(cell)[:26] for cell in (row[0], row[1], row[3], row[5], row[6], row[7]))
        )
    canvas.save()
    return raw.getvalue()
