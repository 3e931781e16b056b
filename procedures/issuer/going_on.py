"""A run that goes on with another, judged from the log: what it skips was done, an approval goes along once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.canonical import moment, parse
from procedures.domain.continuing import GOOD, same_work
from procedures.domain.plan import plan_digest
from procedures.evidence.queries import Fact, facts_of_kinds, facts_of_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import statement_of
from procedures.models import Run

ENDED = frozenset({"interrupted", "failed"})


@dataclass(frozen=True, slots=True)
class Earlier:
    """The run before, its events, and whose approvals of it were carried over to this one."""

    run: Run
    facts: Sequence[Fact]
    carried: frozenset[str]


def judge(run: Run, plan: Mapping[str, Any], facts: Sequence[Fact]) -> None:
    """Refuse a run that skips what the log does not hold as done in the runs before it, or whose ancestry is forged."""
    said = plan.get("continues")
    logged = next((f.facts.get("continues") for f in facts if f.kind == "run.requested"), None)
    table = str(run.continues_id) if run.continues_id else None
    if not logged == table == (said["run"] if said else None):
        raise LeaseRefused("Log, plan and table differ about the run that this one goes on with.")
    if not said:
        return
    earlier = Run.objects.get(pk=UUID(said["run"]))
    if earlier.digest != run.digest or earlier.environment_id != run.environment_id:
        raise LeaseRefused("The run before was of another version, or in another environment.")
    done = _done(UUID(said["run"]), depth=0)
    for row in said["kept"]:
        for target in row["targets"]:
            if (row["step"], target) not in done:
                raise LeaseRefused(f"The log does not hold that {row['step']} was done on {target or 'the runner'}.")


def _done(run: UUID, *, depth: int) -> set[tuple[str, str]]:
    """(step, label) that the log says were done in a run which then failed or was lost, or in those before it."""
    facts = facts_of_run(run)
    if depth > 50 or not _ended(facts):
        raise LeaseRefused("The run before did not fail and was not interrupted.")
    last = {(f.facts["step"], f.facts["target"]): f.facts["outcome"] for f in facts if f.kind == "task.finished"}
    done = {key for key, outcome in last.items() if outcome in GOOD}
    done |= {(f.facts["step"], f.facts["target"]) for f in facts if f.kind == "task.skipped"}
    before = next((f.facts["with"] for f in facts if f.kind == "run.goes_on"), None)
    return done | (_done(UUID(before), depth=depth + 1) if before else set())


def _ended(facts: Sequence[Fact]) -> bool:
    return bool(facts) and facts[-1].outcome in ENDED


def approved_before(run: Run, plan: Mapping[str, Any], facts: Sequence[Fact], *, at: datetime) -> Earlier | None:
    """The run before, if approvals of it were carried over to this run alone, in time, and the plan is the same."""
    said = plan.get("continues")
    mine = [fact for fact in facts if fact.kind == "run.approval_carried"]
    if not said or not mine or any(fact.facts["from"] != said["run"] for fact in mine):
        return None
    earlier = Run.objects.select_related("environment").get(pk=UUID(said["run"]))
    before = facts_of_run(earlier.pk)
    same = plan_digest(bytes(earlier.plan)) == earlier.plan_digest == said["plan_digest"]
    if not same or not _ended(before) or not same_work(parse(bytes(earlier.plan)), plan):
        return None
    begun = next((fact.at for fact in facts if fact.kind == "run.claimed" and fact.at), moment(at))
    given = {fact.statement for fact in before if fact.kind == "run.approved"}
    first: dict[bytes | None, Fact] = {}
    for fact in facts_of_kinds("run.approval_carried"):
        first.setdefault(fact.statement, fact)
    carried = {
        str(statement_of(fact)["approver"])
        for fact in mine
        if fact.statement in given
        and first[fact.statement].run == run.pk
        and begun <= str(statement_of(fact)["not_after"])
    }
    return Earlier(earlier, before, frozenset(carried))
