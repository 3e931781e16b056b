"""What a policy would have said of the past, before anybody puts it in force; nothing is kept of the asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from procedures.domain import control_shapes
from procedures.domain.canonical import parse
from procedures.domain.definition import Definition, of_json
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.policies import Decision, PolicySet, in_force, merged
from procedures.models import Person, Run, Version
from procedures.policy import decide, documents
from procedures.queries import pages_policies
from procedures.services import policies, policy_controls, run_policies

DAYS = 90
RUNS, VERSIONS = 300, 200


@dataclass(frozen=True, slots=True)
class Said:
    """One run or version that the policy would have refused, warned of, or asked more people for."""

    row: Run | Version
    at: datetime
    said: tuple[Decision, ...]

    @property
    def kind(self) -> str:
        return "run" if isinstance(self.row, Run) else "version"

    @property
    def refused(self) -> list[str]:
        return list(dict.fromkeys(one.message for said in self.said for one in said.denied))

    @property
    def more(self) -> list[str]:
        """What it would have warned of, asked for or raised, in words."""
        found = [one.message for said in self.said for one in said.warned]
        found += [f"asks for {n} × {duty}" for said in self.said for duty, n in said.required.items()]
        found += [f"raises the risk to {risk}" for said in self.said for risk in said.raises.values()]
        return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Past:
    """`looked_at` counts what was asked about; `left_out` what lay within the days and was not, being too much."""

    days: int
    looked_at: int
    left_out: int
    found: list[Said] = field(default_factory=list)

    @property
    def refused(self) -> list[Said]:
        return [one for one in self.found if one.refused]

    @property
    def rest(self) -> list[Said]:
        return [one for one in self.found if not one.refused]


def past_of(*, actor: Person, object: Mapping[str, Any], days: int, at: datetime) -> Past:
    """What this policy, were it on, would have said of the runs and versions of the last days, newest first.

    A run is asked about by its own plan and at its own time, a version at its submission; groups and numbers of
    targets are today's. At most 300 runs and 200 versions. Raises NotAllowed, InvalidInput.
    """
    if not pages_policies.sees(actor, at):
        raise NotAllowed("Policies are tried by those who manage access, operate or audit.")
    if not 1 <= days <= DAYS:
        raise InvalidInput([("/days", f"is 1 to {DAYS}")])
    asked = {name: value for name, value in object.items() if name != "warn_until"} | {"mode": "on"}
    control_shapes.check("policy", asked)
    if problems := policy_controls.problems(asked):
        raise InvalidInput(problems)
    since, one = at - timedelta(days=days), in_force([asked])
    runs = Run.objects.filter(requested_at__gt=since, draft=False).order_by("-requested_at")
    versions = Version.objects.filter(submitted_at__gt=since, draft=False).order_by("-submitted_at")
    every = runs.count() + versions.count()
    found = [
        *_runs(list(runs.select_related("environment", "procedure", "requester", "version")[:RUNS]), one),
        *_versions(list(versions.select_related("procedure", "submitter")[:VERSIONS]), one),
    ]
    looked_at = min(runs.count(), RUNS) + min(versions.count(), VERSIONS)
    said = [row for row in found if row.refused or row.more]
    return Past(days, looked_at, every - looked_at, sorted(said, key=lambda row: row.at, reverse=True))


def _runs(rows: list[Run], one: PolicySet) -> Iterator[Said]:
    for row in rows:
        where = [row.environment_id]
        if not row.plan or not (one.concerned("request", where) or one.concerned("plan", where)):
            continue
        plan, at = parse(bytes(row.plan)), row.requested_at
        asked = run_policies.documents_of(row, plan, _definitions(row, plan), one, at)
        first = [decide(one, "request", documents.as_request(doc), at=at, environments=where) for doc in asked]
        then = [decide(one, "plan", doc, at=at, environments=where) for doc in asked]
        yield Said(row, at, (merged("request", first), merged("plan", then)))


def _definitions(run: Run, plan: Mapping[str, Any]) -> dict[str, Definition]:
    called = {row["at"]: UUID(row["version"]) for row in plan.get("calls", [])}
    rows = Version.objects.in_bulk(list(called.values()))
    return {"": of_json(run.version.definition), **{at: of_json(rows[pk].definition) for at, pk in called.items()}}


def _versions(rows: list[Version], one: PolicySet) -> Iterator[Said]:
    for row in rows:
        yield Said(row, row.submitted_at, (policies.version_decision(row, one, at=row.submitted_at),))
