"""The authority that stood at a moment: the log replayed up to then, and who had left by then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.domain.canonical import moment
from procedures.domain.controls import Authority
from procedures.domain.windows import told as window_told
from procedures.evidence.queries import authority_facts
from procedures.issuer.replay import replay
from procedures.models import Person


@dataclass(frozen=True, slots=True)
class Standing:
    """`made` tells of each grant who proposed and confirmed it, by id. Subjects in `closed` can do nothing."""

    at: str
    authority: Authority
    made: Mapping[str, Mapping[str, Any]]
    closed: frozenset[str]
    runners: Mapping[str, Mapping[str, Any]]
    names: Mapping[str, str]

    def name(self, subject: str) -> str:
        return self.names.get(subject, subject)

    def live(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Grants whose dates hold this moment, asserted ones too."""
        for id, grant in self.authority.grants.items():
            if grant["not_before"] <= self.at < grant["expires_at"]:
                yield id, grant

    def holders(self, grant: Mapping[str, Any]) -> list[str]:
        """Subjects behind a grant who had not left."""
        return sorted(self.authority.holders(grant["principal"]) - self.closed)


def standing(at: datetime) -> Standing:
    """Replay every event that decides authority and happened by then."""
    until = moment(at)
    facts = [fact for fact in authority_facts() if fact.at <= until]
    made = {
        fact.facts["change"]: {"by": fact.actor, "confirmers": fact.facts.get("confirmers", []), "event": fact.id}
        for fact in facts
        if fact.kind == "control.confirmed" and fact.facts["control"] == "grant"
    }
    names = {str(subject): name for subject, name in Person.objects.values_list("subject", "username")}
    authority = replay(facts, at=at)
    return Standing(until, authority, made, frozenset(authority.closed), authority.runners, names)


def limits(grant: Mapping[str, Any]) -> list[str]:
    """What a grant asks for beyond verb, procedure and place, in words."""
    found = ["parameters limited"] if grant.get("constraint") is not None else []
    found += [f"targets {grant['target_filter']}"] if grant.get("target_filter") else []
    found += (
        [f"runs from {grant['period']['from'][:10]} to {grant['period']['to'][:10]}"] if grant.get("period") else []
    )
    return found + ([window_told(grant["window"])] if grant.get("window") else [])
