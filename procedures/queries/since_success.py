"""What changed since the last success: a run's plan against that of the last run that succeeded where it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures import access
from procedures.domain.canonical import parse
from procedures.domain.states import RunState
from procedures.domain.text import visible
from procedures.evidence.queries import facts_of_run
from procedures.models import Person, Run

NAMED = 10
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was then, in words. `review` is the version whose page shows the difference."""

    what: str
    says: str
    review: UUID | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """`last` is the run that succeeded last before this one, of the same procedure in the same environment.

    `later`: another one succeeded after it and before this run, which this person may not see.
    """

    last: Run
    changes: Sequence[Change]
    later: bool = False


def since_success(person: Person, run: Run, at: datetime) -> Since | None:
    """What differs from the last success that this person may see; None if there is none, and for drafts."""
    if run.draft or not run.plan:
        return None
    rows = Run.objects.filter(procedure_id=run.procedure_id, environment_id=run.environment_id, draft=False)
    rows = rows.filter(state=RunState.SUCCEEDED.value, no__lt=run.no).order_by("-no")
    seen = access.visible_runs(rows, person, "view", "approve", "audit", at=at)
    last = seen.select_related("version", "requester").first()
    if last is None or not last.plan:
        return None
    then, now = parse(bytes(last.plan)), parse(bytes(run.plan))
    changes = [*_version(last, run), *_parameters(then, now), *_targets(then, now), *_calls(then, now)]
    changes += [*_bindings(then, now), *_rules(then, now), *_runner(last, run)]
    return Since(last, changes, rows.filter(no__gt=last.no).exists())


def _version(last: Run, run: Run) -> Iterator[Change]:
    if last.digest != run.digest:
        says = f"v{run.version.number} instead of v{last.version.number}"
        yield Change("Version", says, run.version_id)


def _parameters(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    before, after = then["parameters"], now["parameters"]
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change("Parameter", f"{name}: {_value(after, name)} instead of {_value(before, name)}")
    if sorted(then["secrets"]) != sorted(now["secrets"]):
        yield Change("Secrets", f"{_names(now['secrets'])} instead of {_names(then['secrets'])}")


def _targets(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    before, after = ({row["name"]: row for row in plan["targets"]} for plan in (then, now))
    if added := sorted(set(after) - set(before)):
        yield Change("Targets", f"{len(added)} more: {_names(added)}")
    if lost := sorted(set(before) - set(after)):
        yield Change("Targets", f"{len(lost)} fewer: {_names(lost)}")
    both = sorted(set(before) & set(after))
    for key, what, says in (
        ("host_key", "Host keys", "another host key"),
        ("address", "Addresses", "another address"),
        ("port", "Ports", "another port"),
        ("trust", "Trust", "another level of trust"),
        ("tags", "Tags", "other tags"),
    ):
        if moved := [name for name in both if before[name].get(key) != after[name].get(key)]:
            yield Change(what, f"{says}: {_names(moved)}")


def _calls(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    before, after = ({row["at"]: row for row in plan.get("calls", [])} for plan in (then, now))
    for at in sorted({*before, *after}):
        one, two = before.get(at), after.get(at)
        if one is None or two is None or one["digest"] == two["digest"]:
            continue
        yield Change("Called", f"{at.rstrip('/')}: another version of {two['procedure']}", UUID(two["version"]))


def _bindings(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    before, after = then["credentials"], now["credentials"]
    for name in sorted(set(before) & set(after)):
        one, two = before[name], after[name]
        if one["binding"] != two["binding"]:
            same = (one["provider"], one["role"]) == (two["provider"], two["role"])
            was = "with other limits" if same else f"instead of {_lent(one)}"
            yield Change("Credential", f"{name} is bound to {_lent(two)} {was}")


def _rules(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    if (then.get("policy") or {}).get("policies") != (now.get("policy") or {}).get("policies"):
        yield Change(
            "Policies", "other policies are in force" if now.get("policy") else "no policy concerns it any more"
        )
    if then["approvals"] != now["approvals"]:
        yield Change("Approvals", f"{_quorum(now['approvals'])} instead of {_quorum(then['approvals'])}")
    if then["risk"] != now["risk"]:
        yield Change("Risk", f"{now['risk']} instead of {then['risk']}")


def _runner(last: Run, run: Run) -> Iterator[Change]:
    """The software, and the sandbox, of the runner that first took each."""
    before, after = _claim(last), _claim(run)
    for key, what in (("software", "Runner software"), ("tier", "Sandbox")):
        if before.get(key) and after.get(key) and before[key] != after[key]:
            yield Change(what, f"{after[key]} instead of {before[key]}")


def _claim(run: Run) -> Mapping[str, Any]:
    return next((fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.claimed"), {})


def _value(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "nothing"
    said = visible(str(values[name]))
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


def _names(names: Iterable[str]) -> str:
    rows = sorted(names)
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return (", ".join(rows[:NAMED]) or "none") + more


def _lent(row: Mapping[str, Any]) -> str:
    return f"{row['provider']} as {row['role']}"


def _quorum(needed: Mapping[str, int]) -> str:
    return ", ".join(f"{count} × {duty}" for duty, count in sorted(needed.items())) or "none"
