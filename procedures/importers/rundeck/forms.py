"""Rundeck's YAML and JSON: lists of jobs, read within limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from procedures.definitions import unfold
from procedures.domain.importing import ImportRefused
from procedures.importers.rundeck.source import MAX_KEYS, Source, keys_below

SURELY = ("name", "sequence")


def read(data: bytes) -> list[Source]:
    """Every job of a YAML or JSON file. Raises ImportRefused with the line."""
    values = _json(data) if data.lstrip()[:1] in {b"[", b"{"} else None
    lines: list[int] = []
    if values is None:
        documents = unfold.load_all(data)
        values = [job for document in documents for job in _jobs(document.value, document.where("")[0])]
        lines = [document.where(f"/{n}")[0] for document in documents for n in range(len(_listed(document.value)))]
    if not values:
        raise ImportRefused("The file holds no job.")
    found = []
    for number, value in enumerate(values):
        line = lines[number] if number < len(lines) else 1
        found.append(_source(value, number, line))
    return found


def _json(data: bytes) -> list[Any] | None:
    """The jobs of a JSON file, or None if it is no JSON (it may still be YAML in flow style)."""
    if len(data) > unfold.MAX_BYTES:
        raise ImportRefused(f"The file is {len(data):,} bytes; the limit is {unfold.MAX_BYTES:,}.")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, UnicodeDecodeError):
        return None
    except RecursionError as problem:
        raise ImportRefused("The file is nested too deep.") from problem
    return _jobs(value, 1)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _jobs(value: Any, line: int) -> list[Any]:
    jobs = _listed(value)
    if any(not isinstance(job, Mapping) for job in jobs):
        raise ImportRefused("A Rundeck file is a list of jobs, each with its keys.", line=line)
    return jobs


def _source(job: Mapping[str, Any], number: int, line: int) -> Source:
    missing = [key for key in SURELY if not job.get(key)]
    if missing:
        raise ImportRefused(f"Job {number + 1} has no {missing[0]}; a Rundeck job has name and sequence.", line=line)
    try:
        json.dumps(job, ensure_ascii=False, default=str).encode()
    except (UnicodeEncodeError, ValueError, RecursionError) as problem:
        raise ImportRefused(
            f"Job {number + 1} holds a lone surrogate, or more than a text can say.", line=line
        ) from problem
    rows = []
    for row in keys_below(job, f"job[{number}]"):
        rows.append(row)
        if len(rows) > MAX_KEYS:
            raise ImportRefused(f"A job has more than {MAX_KEYS:,} keys.", line=line)
    return Source(_named(job), rows)


def _named(value: Any) -> Any:
    """The value with every key as text."""
    if isinstance(value, Mapping):
        return {str(key): _named(item) for key, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value
