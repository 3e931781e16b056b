"""The pack for other readers: OCSF events, OSCAL observations, a report as HTML and PDF. Nothing here is trusted."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from procedures.evidence import ocsf, oscal, verify
from procedures.evidence.staging import Staging

SHOWN = 1000  # rows of the report for reading; reports/population.csv has all of them


class Standards:
    """The members of a pack that other tools read; a function of the log alone, so two exports agree."""

    def __init__(self, into: Staging) -> None:
        self.into, self.results = into, oscal.Results()
        into.add("ocsf/events.jsonl", b"")

    def add(self, raw: bytes, header: Mapping[str, Any], body: Mapping[str, Any] | None, index: int) -> None:
        """The next event of the scope: its leaf's bytes, that as a value, its body where the pack has it, place."""
        said = ocsf.event(header, body, index)
        self.into.add("ocsf/events.jsonl", (json.dumps(said, sort_keys=True) + "\n").encode())
        self.results.add(header, raw, index)

    def end(self, population: verify.Population, decisions: Mapping[str, int]) -> None:
        """`decisions` are the pack's reviews and approvals, counted by strength. Every other member is finished."""
        self.into.finish("ocsf/events.jsonl")
        self.into.put("oscal/assessment-results.json", self.results.parts(self.into.digests()))
        shown = itertools.islice(population.rows(), SHOWN + 1)
        rows = list(csv.reader(row.decode() for row in shown))
        self.into.put("reports/report.html", [_html(rows, population.count, decisions)])
        self.into.put("reports/report.pdf", [_pdf(rows, population.count, decisions)])


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
