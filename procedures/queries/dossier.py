"""Everything that is known of one run as a document: the story first, the proofs at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.domain.canonical import parse
from procedures.evidence.models import Disclosure, Event
from procedures.evidence.paper import Paper, Section, Table
from procedures.evidence.queries import Fact, fact, facts_naming
from procedures.evidence.record import disclosed
from procedures.models import Person, Run
from procedures.queries import dossier_parts, dossier_proofs, dossier_story

ERASED = "[erased; the commitment to it stays in the log]"
READS = ("evidence.read", "artifact.read", "result.read", "result.picked_up")


@dataclass(frozen=True, slots=True)
class Known:
    """What a dossier is made of. `said` are the values kept apart, by event and pointer; None: erased."""

    run: Run
    facts: Sequence[Fact]
    version: Sequence[Fact]
    said: Mapping[tuple[str, str], str | None]
    names: Mapping[str, str]
    plan: Mapping[str, Any]
    at: datetime

    def who(self, subject: object) -> str:
        """A person by name and the end of the identifier; the identifier alone where the name is gone."""
        text = str(subject or "")
        return f"{self.names[text]} ({text[-8:]})" if text in self.names else text or "the portal"

    def value(self, event: str, pointer: str, missing: str) -> str:
        """A value that is kept apart from its event, or that it was erased."""
        found = self.said.get((event, pointer), missing)
        return ERASED if found is None else found

    def first(self, kind: str) -> Fact | None:
        return next((one for one in self.facts if one.kind == kind), None)

    def all(self, *kinds: str) -> list[Fact]:
        return [one for one in self.facts if one.kind in kinds]


def dossier(run: Run, at: datetime) -> Paper:
    """The document of one run, for whoever may audit it. Secrets are nowhere in it."""
    known = _known(run, at)
    sections = [
        Section("The story", dossier_story.story(known)),
        Section("What was odd", dossier_story.odd(known)),
        *dossier_parts.sections(known),
        *dossier_proofs.sections(known, _readers(run, known)),
    ]
    title = f"Run #{run.no}: {run.procedure.title}"
    under = f"Dossier of {run.requested_at:%d %B %Y} in {run.environment.title}, written {at:%d %B %Y, %H:%M} UTC. "
    return Paper(title, under + "Facts that support a control; whoever audits concludes.", sections)


def _known(run: Run, at: datetime) -> Known:
    events = list(Event.objects.filter(run=run.pk).select_related("leaf").order_by("n"))
    mark = str(run.version_id).encode()
    about = Event.objects.filter(procedure=run.procedure_id, run=None).select_related("leaf").order_by("id")
    version = [fact(event) for event in about if mark in bytes(event.body)]
    facts = [fact(event) for event in events if event.body]
    people = {
        str(one.subject): one.username for one in Person.objects.filter(subject__in=_subjects([*facts, *version]))
    }
    plan = parse(run.plan_now) if run.plan_now else {}
    return Known(run, facts, version, _apart(events), people, plan, at)


def _subjects(facts: Sequence[Fact]) -> set[str]:
    found = {one.actor for one in facts if one.actor}
    for one in facts:
        found |= {str(link["by"]) for link in one.facts.get("chain", []) if isinstance(link, dict)}
        found |= {str(who) for name in ("authors", "reviewers") for who in one.facts.get(name, [])}
    return {one for one in found if len(one) == 36}


def _apart(events: Sequence[Event]) -> dict[tuple[str, str], str | None]:
    rows = Disclosure.objects.filter(event__in=[one.pk for one in events])
    found: dict[tuple[str, str], str | None] = {}
    for row in rows:
        data = disclosed(row)
        found[str(row.event_id), row.pointer] = None if data is None else str(json.loads(data)[2])
    return found


def _readers(run: Run, known: Known) -> Section:
    """Who has looked at it, and which exports could have held it."""
    seen = facts_naming(str(run.pk), *READS)
    rows = [(one.at, known.who(one.actor), str(one.facts.get("what", one.kind))) for one in seen]
    exports = [fact(event) for event in Event.objects.filter(kind="export.made", at__gte=run.requested_at)[:200]]
    rows += [(one.at, known.who(one.actor), f"export of {_filter(one)}") for one in exports]
    table = Table(("When", "Who", "What"), sorted(rows), "Nobody has yet.")
    return Section("Who has viewed or exported it", [table])


def _filter(export: Fact) -> str:
    said = export.facts.get("filter") or {}
    return ", ".join(f"{name} {value}" for name, value in said.items()) or "everything"
