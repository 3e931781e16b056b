"""Rundeck's YAML and JSON: lists of jobs, read within limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.definitions.guard import Document
from procedures.domain.importing import ImportRefused
from procedures.importers.rundeck.source import MAX_KEYS, Source, keys_below
from procedures.importers.sources import documents

SURELY = ("name", "sequence")


def read(data: bytes) -> list[Source]:
    """Every job of a YAML or JSON file. Raises ImportRefused with the line."""
    rows = [row for document in documents(data) for row in _jobs(document)]
    if not rows:
        raise ImportRefused("The file holds no job.")
    return [_source(job, number, line) for number, (job, line) in enumerate(rows)]


def _jobs(document: Document) -> list[tuple[Mapping[str, Any], int]]:
    value = document.value
    listed = value if isinstance(value, list) else [value]
    lines = [document.where(f"/{number}" if isinstance(value, list) else "")[0] for number in range(len(listed))]
    for job, line in zip(listed, lines, strict=True):
        if not isinstance(job, Mapping):
            raise ImportRefused("A Rundeck file is a list of jobs, each with its keys.", line=line)
    return list(zip(listed, lines, strict=True))


def _source(job: Mapping[str, Any], number: int, line: int) -> Source:
    missing = [key for key in SURELY if not job.get(key)]
    if missing:
        raise ImportRefused(f"Job {number + 1} has no {missing[0]}; a Rundeck job has name and sequence.", line=line)
    rows = []
    for row in keys_below(job, f"job[{number}]"):
        rows.append(row)
        if len(rows) > MAX_KEYS:
            raise ImportRefused(f"A job has more than {MAX_KEYS:,} keys.", line=line)
    return Source(dict(job), rows)
