"""The pack for other readers: OCSF events, OSCAL observations, a report as HTML and PDF. Nothing here is trusted."""

from __future__ import annotations

import html
import io
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from procedures.evidence import verify

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
Headers = Sequence[Mapping[str, Any]]


def standards(headers: Headers, scope: Collection[str], decisions: Mapping[str, int]) -> dict[str, bytes]:
    """The members of a pack that other tools read; a function of the log alone, so two exports agree.

    `decisions` are the reviews and approvals of the pack, counted by strength.
    """
    rows = verify.population(headers, scope)
    return {
        "ocsf/events.jsonl": _ocsf(headers, scope),
        "oscal/assessment-results.json": _oscal(headers, scope),
        "reports/report.html": _html(rows, decisions),
        "reports/report.pdf": _pdf(rows, decisions),
    }


def _in(header: Mapping[str, Any], scope: Collection[str]) -> bool:
    return header.get("run") is None or header["run"] in scope


def _ocsf(headers: Headers, scope: Collection[str]) -> bytes:
    """One API-activity event (class 6003) per leaf of the scope."""
    lines = []
    for header in headers:
        if _in(header, scope):
            event = {
                "class_uid": 6003,
                "category_uid": 6,
                "activity_id": ACTIVITY.get(header["k"], 99),
                "type_uid": 600300 + ACTIVITY.get(header["k"], 99),
                "severity_id": 1,
                "time_dt": header["at"],
                "metadata": {"uid": header["id"], "version": "1.3.0", "product": {"name": "OpsPortal"}},
                "api": {"operation": header["k"]},
                "unmapped": {"run": header.get("run", ""), "leaf_body": header["b"]},
            }
            lines.append(json.dumps(event, sort_keys=True) + "\n")
    return "".join(lines).encode()


def _oscal(headers: Headers, scope: Collection[str]) -> bytes:
    """OSCAL 1.1 assessment results: observations only, never findings."""
    first, last = headers[0]["at"], headers[-1]["at"]
    observations = [
        {
            "uuid": str(uuid.uuid5(NAMESPACE, header["id"])),
            "title": header["k"],
            "description": f"Evidence event {header['id']}.",
            "methods": ["EXAMINE"],
            "collected": header["at"],
            "props": [{"name": "control", "value": control} for control in CONTROLS[header["k"]]],
        }
        for header in headers
        if header["k"] in CONTROLS and _in(header, scope)
    ]
    result = {
        "uuid": str(uuid.uuid5(NAMESPACE, last)),
        "title": "Recorded facts",
        "description": "Observations of one log.",
        "start": first,
        "end": last,
        "reviewed-controls": {"control-selections": [{"include-all": {}}]},
        "observations": observations,
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


def _counts(decisions: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {strength}" for strength, count in decisions.items())
    return f"Reviews and approvals by strength: {told}."


def _html(rows: Sequence[Sequence[str]], decisions: Mapping[str, int]) -> bytes:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows[1:])
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Runs of this pack</title>"
        "<style>body{font:14px system-ui;margin:2rem}td,th{text-align:left;padding:.2rem .6rem}</style>"
        f"<h1>Runs of this pack</h1><p>{len(rows) - 1} runs. Recomputed from every header of the range.</p>"
        f"<p>{html.escape(_counts(decisions))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></html>\n"
    )
    return page.encode()


def _pdf(rows: Sequence[Sequence[str]], decisions: Mapping[str, int]) -> bytes:
    raw = io.BytesIO()
    # Whoever draws loads what draws: a web process starts a tenth sooner without it.
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(raw, pagesize=A4, invariant=1)
    canvas.setTitle("Runs of this pack")
    line = 800
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(40, line, f"Runs of this pack: {len(rows) - 1}")
    canvas.setFont("Helvetica", 9)
    line -= 16
    canvas.drawString(40, line, _counts(decisions))
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
