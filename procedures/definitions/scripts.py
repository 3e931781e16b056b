"""What importers ask before they write a file: whether lint would keep it out of a procedure of moderate risk."""

from __future__ import annotations

import re

from procedures.definitions.findings import Finding
from procedures.definitions.guard import Document
from procedures.definitions.lint import fetched, infrastructure, programs, texts
from procedures.definitions.lint.notes import Notes
from procedures.domain.definition import Definition

FETCH = fetched.CURL_SH
EVAL = re.compile(r"\b(eval|source|sh\s+-c|bash\s+-c)\b[^\n]*\$\{?(PARAM_|[A-Z_]*SECRET)")
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]")
_MODERATE = Definition("", "", "", "", "operation", "moderate", (), (), {})


def errors(path: str, text: str) -> list[Finding]:
    """The errors of a file by itself."""
    notes = Notes(_MODERATE, Document(None), {path: text.encode()})
    texts.file(notes, path, text)
    for room in (programs.lint, fetched.lint, infrastructure.lint):
        room(notes)
    return [finding for finding in notes.findings if finding.severity == "error"]
