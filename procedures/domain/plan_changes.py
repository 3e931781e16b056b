"""What one plan says and another does not, in words: against the last success, or what was approved ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from procedures.domain.text import visible

NAMED = 10
LONGEST = 200
Plan = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was then, in words. `review` is the version whose page shows the difference."""

    what: str
    says: str
    review: UUID | None = None


def changes(then: Plan, now: Plan) -> list[Change]:
    """Parameters, targets, what is called, credentials and rules: what may differ between two runs of one version."""
    found = [*_parameters(then, now), *_targets(then, now), *_calls(then, now)]
    return [*found, *_bindings(then, now), *_rules(then, now)]


def every_change(then: Plan, now: Plan) -> list[Change]:
    """The same with version, reason and steps, and never nothing: for two plans that are not the same."""
    found = [*_of_itself(then, now), *changes(then, now), *_steps(then, now)]
    return found or [Change("Plan", "the order of targets, or another part of it")]


def _of_itself(then: Plan, now: Plan) -> Iterator[Change]:
    if then["digest"] != now["digest"]:
        yield Change("Version", f"{now['digest'][:19]}… instead of {then['digest'][:19]}…")
    if then["environment"] != now["environment"]:
        yield Change("Environment", f"{now['environment']} instead of {then['environment']}")
    if then["reason"] != now["reason"]:
        yield Change("Reason", "another reason")
    before, after = set(then["credentials"]), set(now["credentials"])
    if before != after:
        yield Change("Credential", f"{_names(after)} instead of {_names(before)}")


def _steps(then: Plan, now: Plan) -> Iterator[Change]:
    """Steps that are new, gone, or do something else where they did something before."""
    before, after = ({row["id"]: row for row in plan["steps"]} for plan in (then, now))
    if added := sorted(set(after) - set(before)):
        yield Change("Steps", f"{len(added)} more: {_names(added)}")
    if lost := sorted(set(before) - set(after)):
        yield Change("Steps", f"{len(lost)} fewer: {_names(lost)}")
    if moved := [name for name in after if name in before and _does(before[name]) != _does(after[name])]:
        yield Change("Steps", f"do something else: {_names(moved)}")


def _does(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step without the names of its targets: a target more or fewer is told once."""
    effects = [effect["does"] for effect in row["effects"]]
    return {**row, "effects": effects}


def _parameters(then: Plan, now: Plan) -> Iterator[Change]:
    before, after = then["parameters"], now["parameters"]
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change("Parameter", f"{name}: {_value(after, name)} instead of {_value(before, name)}")
    if sorted(then["secrets"]) != sorted(now["secrets"]):
        yield Change("Secrets", f"{_names(now['secrets'])} instead of {_names(then['secrets'])}")


def _targets(then: Plan, now: Plan) -> Iterator[Change]:
    before, after = ({row["name"]: row for row in plan["targets"]} for plan in (then, now))
    if added := sorted(set(after) - set(before)):
        yield Change("Targets", f"{len(added)} more: {_names(added)}")
    if lost := sorted(set(before) - set(after)):
        yield Change("Targets", f"{len(lost)} fewer: {_names(lost)}")
    both = sorted(set(before) & set(after))
    for key, what, says in (
        ("host_key", "Host keys", "another host key"),
        ("host_authority", "Host certificates", "another authority for the host's certificate, or none"),
        ("address", "Addresses", "another address"),
        ("port", "Ports", "another port"),
        ("trust", "Trust", "another level of trust"),
        ("tags", "Tags", "other tags"),
    ):
        if moved := [name for name in both if before[name].get(key) != after[name].get(key)]:
            yield Change(what, f"{says}: {_names(moved)}")


def _calls(then: Plan, now: Plan) -> Iterator[Change]:
    before, after = ({row["at"]: row for row in plan.get("calls", [])} for plan in (then, now))
    for at in sorted({*before, *after}):
        one, two = before.get(at), after.get(at)
        if one is None or two is None or one["digest"] == two["digest"]:
            continue
        yield Change("Called", f"{at.rstrip('/')}: another version of {two['procedure']}", UUID(two["version"]))


def _bindings(then: Plan, now: Plan) -> Iterator[Change]:
    before, after = then["credentials"], now["credentials"]
    for name in sorted(set(before) & set(after)):
        one, two = before[name], after[name]
        if one["binding"] != two["binding"]:
            same = (one["provider"], one["role"]) == (two["provider"], two["role"])
            was = "with other limits" if same else f"instead of {_lent(one)}"
            yield Change("Credential", f"{name} is bound to {_lent(two)} {was}")


def _rules(then: Plan, now: Plan) -> Iterator[Change]:
    if (then.get("policy") or {}).get("policies") != (now.get("policy") or {}).get("policies"):
        yield Change(
            "Policies", "other policies are in force" if now.get("policy") else "no policy concerns it any more"
        )
    before, after = (plan.get("sandbox", {}).get("min_tier", "any") for plan in (then, now))
    if before != after:
        yield Change("Sandbox", f"tier {after} is enough instead of {before}")
    if then["approvals"] != now["approvals"]:
        yield Change("Approvals", f"{_quorum(now['approvals'])} instead of {_quorum(then['approvals'])}")
    if then["risk"] != now["risk"]:
        yield Change("Risk", f"{now['risk']} instead of {then['risk']}")


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
