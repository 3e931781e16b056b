"""What two people had erased, kept outside the database and signed by the log: a restored backup must not tell it.

What does not carry their signatures is not in it: whoever writes events has nothing erased by a restore.
A list of ids and paths, never of values. The sequencer writes it before the redaction has its place in the log; whoever
restores a backup of before has it carried out once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from procedures.domain import formed
from procedures.domain.canonical import canon
from procedures.domain.errors import OpsError
from procedures.evidence import known
from procedures.evidence.models import Event
from procedures.evidence.notes import LogKey, NoteRefused, open_note

NAME = "erased"
FIRST = "opsportal/erased/v1"
CONFIRMED, REDACTION = "control.confirmed", b'"control":"redaction"'
NAMES = ("subject", "event", "paths", "runs")


class ErasuresUnreadable(OpsError):
    """A list of what was erased that the log's key did not sign."""

    code = "evidence.erasures-unreadable"
    next_step = "Give the file that the sequencer wrote to public/erased, and the log's public keys beside it."


def of_events(events: Iterable[Event]) -> list[dict[str, Any]]:
    """The redactions that carry their signatures: `change`, and `subject`, or `event` with `paths`, or `runs`."""
    bodies = {e.pk: bytes(e.body) for e in events if e.kind == CONFIRMED and REDACTION in bytes(e.body)}
    unsigned: set[UUID] = import_string(settings.OPSPORTAL_UNSIGNED)(list(bodies)) if bodies else set()
    found = []
    for pk, data in bodies.items():
        if pk in unsigned:
            continue
        body = json.loads(data)
        if body["control"] == "redaction" and formed.fits("redaction", body["object"]):
            said = {name: body["object"][name] for name in NAMES if name in body["object"]}
            found.append({"change": body["change"], **said})
    return found


def purged() -> set[str]:
    """Runs that two people purged, as the log says."""
    events = Event.objects.filter(kind=CONFIRMED).order_by("id").iterator(500)
    return {run for row in of_events(events) for run in row.get("runs", ())}


def keep(file: Path, key: LogKey, events: Sequence[Event]) -> None:
    """Add what these events erased; the first time also what was erased before. Whole or not at all."""
    added = of_events(events)
    if not added:
        return
    if file.exists():
        had: list[Mapping[str, Any]] = list(
            read(file, [one.read_text().strip() for one in sorted(file.parent.glob("evidence*.pub"))])
        )
    else:
        had = list(of_events(Event.objects.filter(kind=CONFIRMED).order_by("id").iterator(500)))
    rows = {row["change"]: row for row in [*had, *added]}
    text = "".join(canon(row).decode() + "\n" for row in rows.values())
    known.publish(file, key.sign(f"{FIRST}\n{text}"))


def read(file: Path, verifiers: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """What the list says was erased. Raises ErasuresUnreadable."""
    for verifier in verifiers:
        try:
            first, *rows = open_note(file.read_text(), verifier).splitlines()
        except (NoteRefused, OSError, UnicodeDecodeError):
            continue
        if first == FIRST:
            return [json.loads(row) for row in rows]
    raise ErasuresUnreadable(f"{file} holds no list of what was erased that a key of this log signed.")
