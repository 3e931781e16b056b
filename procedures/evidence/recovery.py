"""A log whose database went back cannot go on: it ends, and a new one begins whose first event names it.

The leaves that the restored database holds are carried over; what was published beyond them is named as lost. The new
log has a name and a key of its own, so that neither log ever shows two histories under one name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from procedures.domain.errors import OpsError
from procedures.evidence import known, place
from procedures.evidence.cosignatures import NEWEST
from procedures.evidence.known import Known
from procedures.evidence.models import Checkpoint, Event, Outbox
from procedures.evidence.notes import load_key
from procedures.evidence.record import record
from procedures.evidence.sequence import LogWentBack, Sequencer
from procedures.evidence.submitting import witnesses_of
from procedures.evidence.tree import EMPTY

KIND = "log.recovered"


class NothingToRecover(OpsError):
    """The sequencer would go on with this database: a new log would only hide that."""

    code = "evidence.nothing-to-recover"
    next_step = "Start the sequencer (`opsportal sequencer`)."


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was opened. `lost` are events that were published and are not in the new log, None where nobody knows."""

    verifier: str
    former: str
    size: int
    lost: int | None


def open_new_log(*, reason: str, by: str, noted: Sequence[Known], at: datetime) -> Recovered:
    """End the log that went back and open the next; run beside the key, while no sequencer runs.

    A second call after one that was cut short finishes the first. Raises NothingToRecover.
    """
    path = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    last = Checkpoint.objects.order_by("-size").first()
    _require_refusal(path, last)
    begun = Event.objects.filter(kind=KIND, leaf__isnull=True).first()
    if begun is None:
        begun = _recorded(path, last, reason, by, noted, at)
    facts = json.loads(bytes(begun.body))
    _switch(path, facts["verifier"])
    known.remember(path.with_suffix(".published"), last.size if last else 0, bytes(last.root) if last else EMPTY)
    return Recovered(facts["verifier"], facts["former"], facts["restored"]["size"], facts.get("lost"))


def _require_refusal(path: Path, last: Checkpoint | None) -> None:
    if not path.exists() and last is not None:
        return
    published = path.with_suffix(".published")
    sequencer = Sequencer(load_key(path, place.origin(path)), published)
    try:
        sequencer.compare(last)
        if (witnesses := witnesses_of(sequencer.key, published)) is not None:
            witnesses.begin()
            witnesses.settle()
            witnesses.end()
    except LogWentBack:
        return
    raise NothingToRecover("This database holds everything that is known to have been published.")


def _recorded(path: Path, last: Checkpoint | None, reason: str, by: str, noted: Sequence[Known], at: datetime) -> Event:
    """The event that names the old log; it goes before whatever else waits for a place in the new one."""
    key = load_key(path.with_suffix(".next"), place.origin(path, step=1))
    size = last.size if last else 0
    facts: dict[str, Any] = {
        "former": _former(path, last),
        "verifier": key.verifier,
        "restored": {"size": size, "root": bytes(last.root).hex() if last else EMPTY.hex()},
        "known": [{"size": one.size, "root": one.root.hex(), "source": one.source} for one in noted],
        "reason": reason,
        "by": by,
    }
    if noted:
        facts["lost"] = max(0, *(one.size - size for one in noted))
    with transaction.atomic(durable=True):
        event = record(KIND, actor=None, at=at, facts=facts)
        first = Outbox.objects.order_by("id").values_list("id", flat=True)[0]
        Outbox.objects.filter(event=event).update(id=first - 1)
    return event


def _former(path: Path, last: Checkpoint | None) -> str:
    """The old log's key as text; where no file has it, the name and mark that its last note was signed with."""
    for file in (path.with_suffix(".pub"), Path(settings.OPSPORTAL_PUBLIC_DIR) / "evidence.pub"):
        if file.exists():
            return file.read_text().strip()
    return known.signer(last.note) if last else place.origin(path)


def _switch(path: Path, verifier: str) -> None:
    """Put the new key in the old one's place, which stays beside it under its number; each step may be the last."""
    upcoming = path.with_suffix(".next")
    if upcoming.exists():
        former = path.with_suffix(f".former-{place.number(path)}")
        for old, new in ((path, former), (path.with_suffix(".pub"), former.with_suffix(former.suffix + ".pub"))):
            if old.exists():
                old.rename(new)
        upcoming.rename(path)
    if load_key(path, place.origin(path)).verifier != verifier:
        known.replace(path.with_suffix(".number"), f"{place.number(path) + 1}\n")
    public = Path(settings.OPSPORTAL_PUBLIC_DIR)
    if (public / "evidence.pub").exists():
        (public / "evidence.pub").replace(public / f"evidence.former-{place.number(path) - 1}.pub")
    for name in ("checkpoint", NEWEST, "mirror"):
        (public / name).unlink(missing_ok=True)
