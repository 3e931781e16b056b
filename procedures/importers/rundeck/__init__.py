"""Rundeck's jobs, from YAML, JSON or XML, as procedure folders: drafts alone, nothing scheduled or armed (H37)."""

from __future__ import annotations

from procedures.domain.errors import OpsError
from procedures.domain.importing import Carried, ImportRefused
from procedures.importers.nearby import Nearby
from procedures.importers.rundeck import calls, forms, xml_form
from procedures.importers.rundeck.job import read_job, sibling_of
from procedures.importers.rundeck.source import Source, text
from procedures.importers.rundeck.writing import written

READS_NEARBY = True


def read(name: str, data: bytes, nearby: Nearby | None = None) -> Carried:
    """Every job of one file; `nearby` finds script files that it names. Raises ImportRefused with the line."""
    try:
        return _carried(name, data, nearby)
    except ImportRefused:
        raise
    except OpsError as problem:
        raise ImportRefused(f"The file makes no procedure: {problem.message}"[:300]) from problem


def _carried(name: str, data: bytes, nearby: Nearby | None) -> Carried:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    is_xml = start == b"<" or (name.lower().endswith(".xml") and start not in {b"-", b"[", b"{"})
    sources = xml_form.read(data) if is_xml else forms.read(data)
    siblings = calls.Siblings()
    mine = [_sibling(source, siblings) for source in sources]
    jobs = [read_job(source, siblings, own, nearby) for source, own in zip(sources, mine, strict=True)]
    carried = Carried()
    for job in jobs:
        carried.procedures.append(written(job))
        carried.keys += job.ledger.keys()
    return carried


def _sibling(source: Source, siblings: calls.Siblings) -> calls.Sibling:
    own = sibling_of(source)
    taken = {sibling.procedure for sibling in siblings.by_name.values()} | {
        s.procedure for s in siblings.by_uuid.values()
    }
    number, plain = 1, own.procedure
    while own.procedure in taken:
        number += 1
        own.procedure = f"{plain[:58]}-{number}"
    group, name = text(source.job.get("group")).strip("/ "), text(source.job.get("name")).strip()
    siblings.by_name.setdefault((group, name), own)
    for key in ("uuid", "id"):
        if text(source.job.get(key)):
            siblings.by_uuid.setdefault(text(source.job[key]), own)
    return own
