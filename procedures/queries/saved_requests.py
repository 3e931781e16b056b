"""What auditors asked for and will ask for again: each request with every answer that was given to it.

They stand in the log alone: who saved what, and which list was given when, is evidence like the list itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import periods
from procedures.domain.canonical import moment
from procedures.domain.errors import InvalidInput, NotFound
from procedures.domain.periods import Period
from procedures.evidence.models import Disclosure
from procedures.evidence.queries import Fact, facts_of_kinds
from procedures.evidence.record import disclosed
from procedures.models import Person
from procedures.queries import auditing
from procedures.queries.populations import in_headers

SAVED, ANSWERED, DROPPED = "evidence.request_saved", "evidence.request_answered", "evidence.request_dropped"
ERASED = "(the name was erased)"


@dataclass(frozen=True, slots=True)
class Answer:
    """One list that was given: for which period, over how much of the log, and the file's SHA-256.

    `asked` is the filter in people's words, with the period's ends.
    """

    facts: Mapping[str, Any]
    by: str
    at: str
    asked: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Saved:
    """A request of an auditor. `wanted` are names as people type them; `period` is empty for all of the log."""

    id: str
    event: str
    name: str
    wanted: Mapping[str, str]
    period: str
    by: str
    at: str
    dropped_at: str
    answers: Sequence[Answer]

    def told(self) -> dict[str, Any]:
        answers = [{**_public(one.facts), "by": one.by, "at": one.at} for one in self.answers]
        said = {"id": self.id, "name": self.name, "filter": dict(self.wanted), "period": self.period or None}
        dropped = self.dropped_at or None
        return {**said, "saved_by": self.by, "saved_at": self.at, "dropped_at": dropped, "answers": answers}

    def periods(self, at: datetime) -> list[Period]:
        """The last whole period and the one that goes on; nothing where the request has none."""
        if not self.period:
            return []
        going = periods.around(self.period, at)
        return [periods.before(going, self.period), going]

    def of(self, name: str, at: datetime) -> dict[str, str]:
        """`from` and `to` of the period by a name, of the last whole one without. Raises InvalidInput."""
        if not self.period and not name:
            return {}
        found = periods.named(self.period, name) if name else self.periods(at)[0]
        if found is None or not self.period:
            such = {"month": "2026-09", "quarter": "2026-Q3", "year": "2026"}.get(self.period)
            raise InvalidInput([("/of", f"is no {self.period} such as {such}" if such else "asks without a period")])
        if found.first > at:
            raise InvalidInput([("/of", f"{found.name} has not begun")])
        return {"from": moment(found.first), "to": moment(found.last)}


def _public(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts.get(name) for name in ("of", "filter", "size", "root", "runs", "totals", "sha256")}


def all_saved(actor: Person, *, at: datetime) -> list[Saved]:
    """Every request within what somebody audits, live ones first, the newest first. Raises NotAllowed."""
    reach = auditing.reach_of(actor, at)
    facts = facts_of_kinds(SAVED, ANSWERED, DROPPED)
    people = _people(facts)
    made = [_saved(one, facts, people) for one in facts if one.kind == SAVED]
    seen = [one for one in made if auditing.covers(reach, _place(one.wanted), ever=True)]
    seen = [replace(o, answers=[a for a in o.answers if auditing.covers(reach, a.facts["filter"])]) for o in seen]
    return sorted(seen, key=lambda one: (not one.dropped_at, one.at), reverse=True)


def one_saved(actor: Person, request: str, *, at: datetime) -> Saved:
    """Raises NotAllowed, NotFound."""
    found = next((one for one in all_saved(actor, at=at) if one.id == request), None)
    if found is None:
        raise NotFound("There is no such saved request.")
    return found


def _place(wanted: Mapping[str, str]) -> dict[str, str]:
    return in_headers({name: wanted[name] for name in ("procedure", "environment") if name in wanted})


def _people(facts: Sequence[Fact]) -> dict[str, str]:
    asked = [one.facts["wanted"] for one in facts if one.kind == SAVED]
    subjects = {one.actor for one in facts} | {wanted.get("requester", "") for wanted in asked}
    rows = Person.objects.filter(subject__in=[one for one in subjects if one])
    return {str(subject): name for subject, name in rows.values_list("subject", "username")}


def _saved(fact: Fact, facts: Sequence[Fact], people: Mapping[str, str]) -> Saved:
    request = fact.facts["request"]
    later = [one for one in facts if one.facts["request"] == request and one is not fact]
    wanted: dict[str, str] = dict(fact.facts["wanted"])
    if "requester" in wanted:
        wanted["requester"] = people.get(wanted["requester"], wanted["requester"])
    return Saved(
        id=request,
        event=fact.id,
        name=_name(fact.id),
        wanted=wanted,
        period=fact.facts["period"],
        by=people.get(fact.actor, fact.actor),
        at=fact.at,
        dropped_at=next((one.at for one in later if one.kind == DROPPED), ""),
        answers=[_answer(one, wanted, people) for one in reversed(later) if one.kind == ANSWERED],
    )


def _answer(fact: Fact, wanted: Mapping[str, str], people: Mapping[str, str]) -> Answer:
    period = {name: fact.facts["filter"][name] for name in ("from", "to") if name in fact.facts["filter"]}
    return Answer(fact.facts, people.get(fact.actor, fact.actor), fact.at, {**wanted, **period})


def _name(event: str) -> str:
    row = Disclosure.objects.filter(event=UUID(event), pointer="/name").first()
    data = disclosed(row) if row is not None else None
    return ERASED if data is None else str(json.loads(data)[2])
