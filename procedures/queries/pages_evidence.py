"""The evidence log as pages show it: events, checkpoints and the health of the log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.evidence.controls import kinds_for
from procedures.evidence.models import Checkpoint, Disclosure, Event, Leaf
from procedures.evidence.pulse import Pulse, pulse
from procedures.evidence.queries import fact
from procedures.evidence.record import disclosed
from procedures.evidence.witnessed import Witnessed, witnessed
from procedures.models import LegalHold, Person, Procedure, Run
from procedures.queries import collectors, legal_holds, storage

PAGE = 60
LONG = 160


@dataclass(frozen=True, slots=True)
class Shown:
    """One event for people. `index` is its place in the log, None while it waits for the sequencer."""

    id: UUID
    kind: str
    at: datetime
    n: int | None
    index: int | None
    who: str
    about: str
    signed_by: list[str] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=dict)
    run: UUID | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The newest checkpoint, how the log has been living, and how far witnesses vouch, if there are any."""

    checkpoint: Checkpoint | None
    pulse: Pulse
    witnessed: Witnessed | None
    places: Sequence[storage.Place]
    growth: storage.Growth
    collectors: Sequence[collectors.Streamed]

    @property
    def root(self) -> str:
        return bytes(self.checkpoint.root).hex() if self.checkpoint else ""


def health(at: datetime) -> Health:
    last = Checkpoint.objects.order_by("-size").first()
    return Health(last, pulse(at), witnessed(at), storage.looked_at(), storage.growth(at), collectors.streamed(at))


@dataclass(frozen=True, slots=True)
class Held:
    """A live legal hold, and what it names: (word, value), people and days as people write them."""

    row: LegalHold
    names: Sequence[tuple[str, str]]


def holds() -> list[Held]:
    rows = legal_holds.live()
    who = {str(one.subject): one.name for one in Person.objects.filter(subject__in=[row.subject for row in rows])}
    return [Held(row, [_named(*one, who) for one in row.named().items()]) for row in rows]


def _named(name: str, value: str, who: Mapping[str, str]) -> tuple[str, str]:
    if name == "subject":
        return "person", who.get(value, value)
    return name, value[:10] if name in ("from", "until") else value


def events_of_run(run: UUID) -> list[Shown]:
    """Every event of one run, newest first."""
    return _shown(list(Event.objects.filter(run=run).select_related("leaf").order_by("-n")[:1000]))


def events(
    *, kind: str = "", before: str = "", procedure: str = "", number: str = "", person: str = "", control: str = ""
) -> tuple[list[Shown], str]:
    """One page of events, newest first, and the id to go on before (empty at the end). `kind` may be a beginning.

    `person` is the user name of whoever acted, `control` one that the events support, by its name in any framework.
    """
    rows = Event.objects.select_related("leaf").order_by("-id")
    rows = rows.filter(kind__startswith=kind) if kind else rows.exclude(kind="heartbeat")
    if procedure:
        rows = rows.filter(procedure__in=Procedure.objects.filter(name=procedure).values("id"))
    if person:
        rows = rows.filter(actor__in=Person.objects.filter(username=person).values("subject"))
    if control:
        rows = rows.filter(kind__in=kinds_for(control))
    if number.isdecimal():
        rows = rows.filter(run__in=Run.objects.filter(no=int(number)).values("id"))
    if (place := as_uuid(before)) is not None:
        rows = rows.filter(id__lt=place)
    found = list(rows[: PAGE + 1])
    return _shown(found[:PAGE]), str(found[PAGE - 1].id) if len(found) > PAGE else ""


def readers_of_run(run: Run) -> list[tuple[str, datetime]]:
    """(who, when) of auditors' reads of a run, newest first; one an hour and person is recorded."""
    rows = Event.objects.filter(kind="evidence.read", procedure=run.procedure_id, at__gte=run.requested_at).order_by(
        "-id"
    )
    found = [row for row in rows.order_by("-id").iterator() if fact(row).facts["what"] == f"run {run.pk}"][:20]
    names = {p.subject: str(p) for p in Person.objects.filter(subject__in={row.actor for row in found})}
    return [(names.get(row.actor, "") if row.actor else "", row.at) for row in found]


def one_event(event: UUID) -> tuple[Shown, str, str] | None:
    """An event with the exact text of its header and body."""
    row = Event.objects.select_related("leaf").filter(pk=event).first()
    if row is None:
        return None
    said = json.loads(bytes(row.body)) if row.body else None
    body = "" if said is None else json.dumps(said, indent=2, ensure_ascii=False, sort_keys=True)
    return _shown([row])[0], bytes(row.header).decode(), body


def kept_apart(event: UUID) -> list[tuple[str, str | None, datetime | None]]:
    """(pointer, value or None, when it was erased) of each value that an event commits to but does not contain."""
    rows = []
    for row in Disclosure.objects.filter(event=event).order_by("pointer"):
        data = disclosed(row)
        rows.append((row.pointer, None if data is None else str(json.loads(data)[2]), row.erased_at))
    return rows


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def in_log(run: UUID) -> tuple[int, int]:
    """(how many events of a run there are, how many of them stand in the log)."""
    return Event.objects.filter(run=run).count(), Leaf.objects.filter(event__run=run).count()


def _shown(rows: list[Event]) -> list[Shown]:
    names = {p.subject: str(p) for p in Person.objects.filter(subject__in={r.actor for r in rows if r.actor})}
    runs = dict(Run.objects.filter(pk__in={r.run for r in rows if r.run}).values_list("pk", "no"))
    shown = []
    for row in rows:
        known = fact(row)
        leaf = getattr(row, "leaf", None)
        shown.append(
            Shown(
                row.id,
                row.kind,
                row.at,
                row.n,
                leaf.index if leaf else None,
                names.get(row.actor, "portal") if row.actor else "portal",
                _about(row, known.facts, runs),
                [str(s.get("strength", "")) for s in known.signatures],
                known.facts,
                row.run,
            )
        )
    return shown


def _about(row: Event, facts: Mapping[str, Any], runs: Mapping[UUID, int]) -> str:
    """A few words that tell one event from its neighbours."""
    parts = [f"#{runs[row.run]}"] if row.run and row.run in runs else []
    for key in ("procedure", "control", "step", "target", "credential", "gate", "outcome", "verdict", "code", "why"):
        value = facts.get(key)
        if isinstance(value, str) and value:
            parts.append(value)
    return " · ".join(parts)[:LONG]
