"""What the log lets be erased: signatures are replayed, and what a row of a table says is not believed.

Whoever writes tables and events writes an agreement of two people, or the end of a legal hold; not their signatures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from procedures.domain import formed, legal_holds, retention
from procedures.domain.controls import Authority
from procedures.evidence import verify
from procedures.evidence.events import SEALS
from procedures.evidence.models import Event
from procedures.evidence.queries import Fact, authority_events, fact, readable
from procedures.issuer.formless import WHY
from procedures.issuer.replay import by_now, replay

Row = Mapping[str, Any]
REDACTION = "redaction"
CONTROLS = (REDACTION, retention.CONTROL, *legal_holds.CONTROLS)
MARKS = [f'"control":"{name}"'.encode() for name in CONTROLS]  # as canonical bodies hold it


@dataclass(frozen=True, slots=True)
class Agreement:
    """A purge that carries its signatures: `holds` are those that lived when it was made, `at` that moment."""

    runs: frozenset[str]
    behind: frozenset[str]
    at: str
    holds: list[Row]


@dataclass(slots=True)
class Told:
    """What the log says of erasing, in its order. `first` is by run: what verifiers judge a run that is gone by."""

    agreed: dict[str, Agreement] = field(default_factory=dict)
    first: dict[str, Agreement] = field(default_factory=dict)
    unsigned: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Row] = field(default_factory=dict)
    floors: verify.Authority = field(default_factory=verify.Authority)


class Word:
    """The log's word at one moment; it is read when it is first asked, and not again."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    @cached_property
    def _told(self) -> Told:
        bodies = [row for row in authority_events() if any(mark in bytes(row.body) for mark in MARKS)]
        authority = replay(at=self._at)  # read after them: it has judged each of them
        told = Told()
        for one in map(readable, bodies):
            if one.facts.get("control") in CONTROLS:
                _fold(told, one, authority)
        return told

    def why_not(self, run: UUID, change: UUID) -> str:
        """Why the log does not let a run go by this change, or an empty string."""
        agreement = self._told.agreed.get(str(change))
        if agreement is None:
            why = self._told.unsigned.get(str(change))
            return f"it is asserted by the platform alone: {why}" if why else "no change of that number purges runs"
        if str(run) not in agreement.runs:
            return "it does not name this run"
        first = self._told.first[str(run)]
        return self._kept(run, agreement) or ("" if first is agreement else self._kept(run, first))

    def keeps(self, run: UUID) -> bool:
        """Whether a legal hold lives over a run."""
        asked = _requested(run)
        return asked is not None and self._held(self._told.holds.values(), asked)

    def _kept(self, run: UUID, agreement: Agreement) -> str:
        asked = _requested(run)
        seals = [verify.parse("header", bytes(row.header)) for row in Event.objects.filter(run=run, kind__in=SEALS)]
        if asked is None or not seals:
            return "the run has not ended, as the log says"
        hours = 24 * self._told.floors.floor(asked.at)
        if agreement.at < max(max(one.get("kept", ""), verify.later(one["at"], hours)) for one in seals):
            return "the run was to be kept when they agreed"
        if self._held(agreement.holds, asked):
            return "a legal hold lived over the run when they agreed"
        if self._held(self._told.holds.values(), asked):
            return "a legal hold lives over the run"
        asker = str(asked.facts.get("requester", ""))
        behind = {asker, *(str(link.get("by", "")) for link in asked.facts.get("chain", ()))} - {""}
        return "" if behind <= agreement.behind else "it leaves out somebody who stands behind the run"

    @staticmethod
    def _held(holds: Collection[Row], asked: Fact) -> bool:
        header = {"run": str(asked.run), "p": "this", "at": asked.at}
        named = {str(asked.facts.get("procedure", "")): "this"}
        subjects = {asked.actor, str(asked.facts.get("requester", ""))}
        return any(verify.held_by({**hold}, header, named, subjects) for hold in holds)


def _requested(run: UUID) -> Fact | None:
    """The event that asked for a run: nobody changes it, whatever becomes of the run's row."""
    row = Event.objects.filter(run=run, kind="run.requested").order_by("n").first()
    return None if row is None else fact(row)


def _fold(told: Told, one: Fact, authority: Authority) -> None:
    control, object, change = one.facts["control"], one.facts.get("object", {}), str(one.facts.get("change", ""))
    if one.id in authority.asserted or not formed.fits(control, object):
        told.unsigned[change] = authority.asserted.get(one.id, WHY)
    elif control == legal_holds.PLACED:
        told.holds[change] = {name: object[name] for name in legal_holds.NAMES if name in object}
    elif control == legal_holds.ENDED:
        told.holds.pop(object["hold"], None)
    elif control == retention.CONTROL:
        told.floors.floors.append((by_now(one.at), int(object["days"])))
    elif "runs" in object:
        runs, behind = frozenset(object["runs"]), frozenset(object["behind"])
        agreement = Agreement(runs, behind, by_now(one.at), list(told.holds.values()))
        told.agreed.setdefault(change, agreement)
        for run in runs:
            told.first.setdefault(run, agreement)


def unsigned(events: Collection[UUID]) -> set[UUID]:
    """Those of these changes that do not carry their signatures, as the log stands now."""
    asserted = replay().asserted
    return {event for event in events if str(event) in asserted}
