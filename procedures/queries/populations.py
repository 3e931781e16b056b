"""Populations for auditors: a filter in people's words, the runs it names, and the panel to judge the list by."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from procedures.domain.canonical import canon, moment
from procedures.domain.errors import InvalidInput, NotFound
from procedures.evidence.counting import Count, recount
from procedures.evidence.models import Checkpoint
from procedures.evidence.queries import Fact, facts_of_kinds
from procedures.evidence.record import pseudonym
from procedures.evidence.verify import FILTERS, query
from procedures.models import Environment, Person, Procedure, Run
from procedures.queries import auditing

PAGE = 50
FIELDS = ("procedure", "environment", "requester", "outcome", "risk", "from", "to")


@dataclass(frozen=True, slots=True)
class Listed:
    """One run of a population: `row` as the CSV holds it, and the names that this portal knows for its pseudonyms."""

    row: Sequence[str]
    procedure: str
    requester: str

    @property
    def no(self) -> int:
        return int(self.row[0])

    @property
    def run(self) -> str:
        return self.row[1]

    def told(self) -> dict[str, Any]:
        names = ("no", "id", "procedure", "environment", "requester", "requested_at", "outcome", "risk", "ended_at")
        said = dict(zip(names, self.row, strict=True))
        return said | {"no": self.no, "procedure": self.procedure, "requester": self.requester}


@dataclass(frozen=True, slots=True)
class Population:
    """A count, by whom and when, with the commands that count it again: here, and without this portal."""

    count: Count
    wanted: Mapping[str, str]
    by: str
    at: datetime

    def panel(self) -> dict[str, Any]:
        """Information produced by the entity: what an auditor tests a list's completeness and accuracy by."""
        count = self.count
        return {
            "origin": count.origin,
            "range": {"start": 0, "end": count.size},
            "root": count.root,
            "filter": dict(self.wanted),
            "filter_in_headers": canon(dict(count.filter)).decode(),
            "generator": f"opsportal {settings.OPSPORTAL_VERSION}",
            "made_by": self.by,
            "made_at": moment(self.at),
            "rows": count.runs,
            "totals": dict(sorted(count.totals.items())),
            "numbers": {"first": count.lowest, "last": count.highest, "asked_in_range": count.asked},
            "sha256": count.sha256,
            "again": self.again(),
            "again_offline": f"{query(self.wanted)} -o pack.zip && python3 verify.py pack.zip --log-key KEY",
        }

    def said(self) -> str:
        """Which list this is, as the event of its reading has it."""
        return f"population {canon(dict(self.count.filter)).decode()} over {self.count.size} events"

    def again(self) -> str:
        """The command whose file has the same SHA-256, as long as the log is the same."""
        words = ["opsportal", "evidence", "runs", "--size", str(self.count.size)]
        words += [word for name in sorted(self.wanted) for word in (f"--{name}", self.wanted[name])]
        return shlex.join([*words, "-o", "population.csv"])

    def rows(self, start: int, count: int = PAGE) -> list[Listed]:
        rows = self.count.rows(start, count)
        procedures = {
            str(pk): name
            for pk, name in Procedure.objects.filter(pk__in={r[2] for r in rows}).values_list("pk", "name")
        }
        runs = Run.objects.filter(pk__in=[row[1] for row in rows]).select_related("requester")
        people = {str(run.pk): run.requester.username for run in runs}
        return [Listed(row, procedures.get(row[2], row[2]), people.get(row[1], row[4])) for row in rows]


def population(actor: Person, wanted: Mapping[str, str], *, at: datetime, size: int = 0) -> Population:
    """Count the runs that a filter names, within what somebody audits. Raises NotAllowed, InvalidInput, LogDiffers."""
    found = auditing.reach_of(actor, at)
    said = {name: wanted[name] for name in FIELDS if wanted.get(name)}
    filters = in_headers(said)
    said |= {name: filters[name] for name in ("from", "to") if name in filters}
    auditing.require_within(found, filters)
    return Population(_counted(filters, size), said, actor.username, at)


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw from a fixed population: the runs by rank, each with its row of the run table where it is still here.

    `strata` is by what the population was parted first, if it was.
    """

    sample: str
    nonce: str
    strata: str
    by: str
    at: str
    runs: Sequence[tuple[int, str, Run | None]]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A population that was fixed in the log, and every draw from it, in order of time."""

    id: str
    event: str
    facts: Mapping[str, Any]
    by: str
    at: str
    draws: Sequence[Draw] = ()

    @property
    def filter(self) -> str:
        return canon(dict(self.facts["filter"])).decode()


def all_fixed(actor: Person, *, at: datetime) -> list[Fixed]:
    """Every population within what somebody audits, the newest first. Raises NotAllowed."""
    found = auditing.reach_of(actor, at)
    rows = [fact for fact in facts_of_kinds("population.fixed") if auditing.covers(found, fact.facts["filter"])]
    names = _names(fact.actor for fact in rows)
    return [_fixed(fact, names) for fact in reversed(rows)]


def one_fixed(actor: Person, population: str, *, at: datetime) -> Fixed:
    """A population with its draws. Raises NotAllowed, NotFound."""
    found = auditing.reach_of(actor, at)
    facts = [fact for fact in facts_of_kinds("population.fixed") if fact.facts["population"] == population]
    if not facts or not auditing.covers(found, facts[0].facts["filter"]):
        raise NotFound("There is no such population.")
    drawn = [fact for fact in facts_of_kinds("sample.drawn") if fact.facts["population"] == population]
    names = _names(fact.actor for fact in (*facts, *drawn))
    return replace(_fixed(facts[0], names), draws=[_draw(fact, names) for fact in drawn])


def _names(subjects: Iterable[str]) -> Mapping[str, str]:
    return {
        str(pk): name
        for pk, name in Person.objects.filter(subject__in=set(subjects)).values_list("subject", "username")
    }


def _fixed(fact: Fact, names: Mapping[str, str]) -> Fixed:
    return Fixed(fact.facts["population"], fact.id, fact.facts, names.get(fact.actor, fact.actor), fact.at)


def _draw(fact: Fact, names: Mapping[str, str]) -> Draw:
    known = Run.objects.select_related("procedure", "environment", "requester").in_bulk(fact.facts["runs"])
    runs = [(rank, run, known.get(UUID(run))) for rank, run in enumerate(fact.facts["runs"], 1)]
    said = fact.facts
    return Draw(said["sample"], said["nonce"], said.get("strata", ""), names.get(fact.actor, fact.actor), fact.at, runs)


def begun() -> bool:
    """Whether the log holds anything that could be counted."""
    return Checkpoint.objects.exists()


def _counted(filters: Mapping[str, str], size: int) -> Count:
    """Counted once for a range, a root and a filter: who turns a page counts nothing again."""
    size = size or Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    root = Checkpoint.objects.filter(size=size).values_list("root", flat=True).first()
    return _kept(connection.settings_dict["NAME"], size, bytes(root or b""), tuple(sorted(filters.items())))


@lru_cache(maxsize=8)
def _kept(database: str, size: int, root: bytes, filters: tuple[tuple[str, str], ...]) -> Count:
    return recount(dict(filters), size=size)


def in_headers(wanted: Mapping[str, str]) -> dict[str, str]:
    """A filter by names as headers say it, by ids and pseudonyms. Raises InvalidInput."""
    found = {name: wanted[name] for name in FILTERS if wanted.get(name)}
    if "procedure" in found:
        row = Procedure.objects.filter(name=found["procedure"]).first()
        if row is None:
            raise InvalidInput([("/procedure", f"there is no procedure {found['procedure']!r}")])
        found["procedure"] = str(row.id)
    if "requester" in found:
        person = Person.objects.filter(username=found["requester"]).first()
        if person is None:
            raise InvalidInput([("/requester", f"there is nobody called {found['requester']!r}")])
        found["requester"] = pseudonym(person.subject)
    if "environment" in found and not Environment.objects.filter(pk=found["environment"]).exists():
        raise InvalidInput([("/environment", f"there is no environment {found['environment']!r}")])
    if "run" in found and not Run.objects.filter(pk=found["run"]).exists():
        raise InvalidInput([("/run", "there is no such run")])
    return found | {name: _moment(name, found[name]) for name in ("from", "to") if name in found}


def _moment(name: str, text: str) -> str:
    """As headers write it. A date is its first moment, or its last one where a period ends. Raises InvalidInput."""
    try:
        if len(text) == len("2026-11-24"):
            end = time.max if name == "to" else time.min
            return moment(datetime.combine(date.fromisoformat(text), end, tzinfo=UTC))
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise InvalidInput(
            [(f"/{name}", "is no date such as 2026-11-24, nor a time such as 2026-11-24T12:00:00Z")]
        ) from problem
    if found.tzinfo is None:
        raise InvalidInput([(f"/{name}", "is a time without a zone: add Z for UTC")])
    return moment(found.astimezone(UTC))
