"""Who can run or approve something, and what one person can do: each by the grant that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.answers.standing import Standing, limits, standing
from procedures.domain import ahead, grants
from procedures.evidence.queries import facts_of_kinds


@dataclass(frozen=True, slots=True)
class Holding:
    """One person by one grant. `stands` is false where only the platform's word holds the grant up: it gives no lease.

    `through` is `person` or `group:NAME`; empty `environments` mean everywhere.
    """

    subject: str
    person: str
    verbs: tuple[str, ...]
    procedure: str
    environments: tuple[str, ...]
    through: str
    limits: tuple[str, ...]
    duties: tuple[str, ...]
    grant: str
    given_by: str
    confirmed_by: tuple[str, ...]
    reason: str
    not_before: str
    expires_at: str
    stands: bool
    why: str


def who_can(verb: str, *, procedure: str | None, environment: str | None, at: datetime) -> list[Holding]:
    """Everybody who holds `verb` there and then, by name. None asks for whoever holds it anywhere."""
    then = standing(at)
    found = [
        holding
        for id, grant in then.live()
        if verb in grant["verbs"]
        and (procedure is None or then.authority.reaches(grant, procedure))
        and (environment is None or grants.in_place(grant, environment, then.authority.production))
        for holding in _holdings(then, id, grant, (verb,))
    ]
    if verb == "run":
        found += _standing(then, procedure, environment)
    if verb == "approve":
        found += _ahead(then, procedure, environment)
    return sorted(found, key=lambda one: (one.person, one.expires_at))


def what_can(subject: str, *, at: datetime) -> list[Holding]:
    """Everything that one person holds at that moment, by grant."""
    then = standing(at)
    found = [
        holding
        for id, grant in then.live()
        for holding in _holdings(then, id, grant, tuple(grant["verbs"]))
        if holding.subject == subject
    ]
    return sorted(found, key=lambda one: (one.procedure, one.verbs))


def _holdings(then: Standing, id: str, grant: Mapping[str, Any], verbs: tuple[str, ...]) -> Iterator[Holding]:
    made = then.made.get(id, {})
    kind, _, name = grant["principal"].partition(":")
    for subject in then.holders(grant):
        yield Holding(
            subject=subject,
            person=then.name(subject),
            verbs=verbs,
            procedure=told(grant),
            environments=tuple(grant["environments"]),
            through="person" if kind == "person" else f"group:{name}",
            limits=tuple(limits(grant)),
            duties=tuple(sorted(then.authority.duties_of(subject))),
            grant=id,
            given_by=then.name(made["by"]) if made else "installation",
            confirmed_by=tuple(then.name(one) for one in made.get("confirmers", ())),
            reason=grant.get("reason", "the first access manager"),
            not_before=grant["not_before"],
            expires_at=grant["expires_at"],
            stands=bool(grant["stands"]),
            why="" if grant["stands"] else then.authority.asserted.get(made.get("event", ""), "it is not signed"),
        )


def _standing(then: Standing, procedure: str | None, environment: str | None) -> Iterator[Holding]:
    """Schedules and hooks: what an account may is set off by them without anybody being there (H13)."""
    for (kind, name), row in then.authority.standing.items():
        place = (procedure in {None, row["procedure"]}, environment in {None, row["environment"]})
        if not all(place) or row["ended"] or row["expires_at"] <= then.at:
            continue
        yield Holding(
            subject=row["account"],
            person=then.name(row["account"]),
            verbs=("run",),
            procedure=row["procedure"],
            environments=(row["environment"],),
            through=f"{kind}:{name}",
            limits=(f"only {row['digest'][:19]}…",),
            duties=(),
            grant=row["change"],
            given_by=then.name(row["proposer"]),
            confirmed_by=tuple(then.name(one) for one in row["confirmers"]),
            reason=row["reason"],
            not_before=row["set_at"],
            expires_at=row["expires_at"],
            stands=bool(row["stands"]),
            why="" if row["stands"] else then.authority.asserted.get(row["event"], "it is not signed"),
        )


def _ahead(then: Standing, procedure: str | None, environment: str | None) -> Iterator[Holding]:
    """Approvals given ahead that were neither over nor taken back: they let runs go while nobody is there (H24)."""
    facts = [fact for fact in facts_of_kinds(ahead.GIVEN, ahead.TAKEN_BACK) if fact.at <= then.at]
    over = {fact.facts["ahead"] for fact in facts if fact.kind == ahead.TAKEN_BACK}
    for fact in facts:
        said = fact.facts
        if fact.kind != ahead.GIVEN or said["ahead"] in over or said["not_after"] <= then.at:
            continue
        row = then.authority.standing.get((str(said["standing"]), str(said["name"])), {})
        if not (procedure in {None, said["procedure"]} and environment in {None, said["environment"]}):
            continue
        stands = row.get("change") == said["change"] and not row["ended"] and fact.actor not in then.closed
        yield Holding(
            subject=fact.actor,
            person=then.name(fact.actor),
            verbs=("approve",),
            procedure=said["procedure"],
            environments=(said["environment"],),
            through=f"ahead:{said['name']}",
            limits=(f"{said['runs']} runs of {said['digest'][:19]}…",),
            duties=tuple(said["duties"]),
            grant=said["change"],
            given_by=then.name(fact.actor),
            confirmed_by=(),
            reason=said["comment"],
            not_before=fact.at,
            expires_at=said["not_after"],
            stands=stands,
            why="" if stands else "its schedule was set anew or ended, or its approver left",
        )


def told(grant: Mapping[str, Any]) -> str:
    """What a grant is for: a procedure's name, labels, or every one."""
    if grant.get("procedure"):
        return str(grant["procedure"])
    return f"labels {', '.join(grant['selector'])}" if grant.get("selector") else "every procedure"
