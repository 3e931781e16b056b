"""The plan: what a run would do, frozen as a canonical value before anybody approves it (rule 4)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from procedures.domain import expressions, limits
from procedures.domain.canonical import sha256_hex
from procedures.domain.definition import PHASES, Definition, Step, Strategy
from procedures.domain.errors import OpsError
from procedures.domain.expressions import Unresolved
from procedures.domain.ports import Action, ActionCall, Binding, Target
from procedures.domain.rendering import render_step, script_environment
from procedures.domain.results import Recipients
from procedures.domain.secrets import Secret

MAX_ITEMS = limits.EACH_ITEMS


FORMAT = 1  # raised whenever the same request would give other plan bytes: runners of another format leave it alone


@dataclass(frozen=True, slots=True)
class Ask:
    """All that a plan is a function of, besides the definition and its files."""

    run: UUID
    run_no: int
    procedure: str
    digest: str
    environment: str
    requester: str
    reason: str
    parameters: Mapping[str, Any]
    secret_marks: Mapping[str, str]
    targets: Sequence[Target]
    bindings: Mapping[str, Binding]
    approvals: Mapping[str, int]
    min_strength: str
    risk: str
    profile: str
    networks: tuple[str, ...] = ()
    uploads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    continues: Mapping[str, Any] = field(default_factory=dict)  # run, first, plan_digest, kept
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    recipients: Recipients = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """One place where a step happens: a target, an item of `each`, or just once. `label` names it in tasks."""

    target: Target | None = None
    each: Any = None
    label: str = ""


class EachRefused(OpsError):
    """What `each` names is no list, or a list too long."""

    code = "plan.each-refused"
    next_step = "Give `each` a list of at most 1,000 items, made of parameters, targets or the environment."


def scope_for(
    definition: Definition,
    ask: Ask,
    *,
    steps: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Secret] | None = None,
    each: Any = None,
) -> dict[str, Any]:
    """The names that expressions see. Steps that have not run are "decided at run time"."""
    known: dict[str, Any] = {s.id: {"output": Unresolved(s.id)} for phase in PHASES for s in definition.branch(phase)}
    known.update({gate: {"output": dict(values)} for gate, values in ask.answers.items() if gate in known})
    known.update(steps or {})
    return {
        "parameters": dict(ask.parameters),
        "steps": known,
        "environment": ask.environment,
        "targets": [target_facts(t) for t in ask.targets],
        "each": each,
        "run": {"id": str(ask.run), "requester": ask.requester, "reason": ask.reason},
        "secrets": dict(secrets) if secrets is not None else {name: Secret(b"") for name in ask.secret_marks},
    }


def target_facts(target: Target) -> dict[str, Any]:
    return {"name": target.name, "host": target.address, "port": target.port, "tags": dict(target.tags)}


def on_targets(step: Step, action: Action) -> bool:
    """Whether a step runs once per target."""
    return action.per_target or (step.each is not None and each_is_targets(step.each))


def each_is_targets(each: str) -> bool:
    return each.replace(" ", "") == "${{targets}}"


def units(step: Step, action: Action, targets: Sequence[Target], scope: Mapping[str, Any]) -> list[Unit]:
    """Where a step happens, in order. Raises EachRefused, ExpressionRefused."""
    if on_targets(step, action):
        return [Unit(target, target_facts(target), target.name) for target in targets]
    if step.each is None:
        return [Unit()]
    found = expressions.evaluate(step.each, {**scope, "secrets": {}})
    if isinstance(found, Mapping):
        found = [{"key": key, "value": value} for key, value in found.items()]
    if not isinstance(found, list | tuple) or len(found) > MAX_ITEMS:
        raise EachRefused(f"{step.id}: each is no list, or has more than {MAX_ITEMS:,} items.")
    return [Unit(None, item, f"item {number}") for number, item in enumerate(found, 1)]


def batches(strategy: Strategy, targets: Sequence[Target], *, seed: str) -> list[list[str]]:
    """Names of targets, in the order and groups in which the run takes them. Always at least one group."""
    names = sorted((t.name for t in targets), reverse=strategy.order == "reverse")
    if strategy.order == "random":
        random.Random(seed).shuffle(names)  # noqa: S311 - an order that anybody can make again
    found, begun = [], 0
    for size in sizes(strategy, len(names)) or [0]:
        found.append(names[begun : begun + size])
        begun += size
    return found


def sizes(strategy: Strategy, count: int) -> list[int]:
    """How many of `count` targets each batch takes; together all of them."""
    found = [min(count, share(strategy.canary, count))] if strategy.canary and count else []
    size = {"parallel": float(count), "sequential": 1.0}.get(strategy.mode, float(share(strategy.batch, count)))
    while (left := count - sum(found)) > 0:
        found.append(min(left, int(size)))
        size *= strategy.ramp if strategy.mode == "rolling" else 1
    return found


def share(amount: int | str, of: int, *, least: int = 1) -> int:
    """`3` or `"25%"` of a number of targets, rounded down, at least `least`."""
    if isinstance(amount, int):
        return max(least, amount)
    return max(least, of * int(amount.rstrip("%")) // 100)


def call_for(
    files: Mapping[str, bytes],
    ask: Ask,
    step: Step,
    target: Target | None,
    *,
    scope: Mapping[str, Any],
    each: Any = None,
    attempt: int = 1,
    nonce: str = "",
    seconds_left: float = 0.0,
) -> ActionCall:
    """Render a step for one unit. The engine, the issuer and the plan all come through here."""
    facts = target_facts(target) if target else each
    rendered = render_step(step, {**scope, "each": facts})
    return ActionCall(
        run_id=ask.run,
        step=step.id,
        attempt=attempt,
        nonce=nonce,
        input=rendered.input,
        files=files,
        parameters=dict(ask.parameters),
        env={**script_environment(ask.parameters), **rendered.env},
        secret_env=rendered.secret_env,
        stdin=rendered.stdin,
        target=target,
        lease=None,
        seconds_left=seconds_left,
        networks=ask.networks,
        artifacts=step.artifacts,
    )


def plain(value: Any) -> Any:
    """A canonical value for people and digests: run-time values and secrets by name, floats as decimal text."""
    if isinstance(value, Unresolved):
        return {"decided at run time by": value.describe()}
    if isinstance(value, Secret):
        return {"secret": "***"}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bytes):
        return {"sha256": sha256_hex(value), "bytes": len(value)}
    if isinstance(value, float):
        return {"decimal": repr(value)}
    return value


def plan_digest(plan: bytes) -> str:
    return "sha256:" + sha256_hex(plan)


def narrowed(targets: Sequence[Target], names: Sequence[str]) -> list[Target]:
    """The targets a requester narrowed to, order kept. Raises KeyError for a name that is not among them."""
    if not names:
        return list(targets)
    known = {t.name: t for t in targets}
    return [known[name] for name in names]


__all__ = [
    "FORMAT",
    "Ask",
    "EachRefused",
    "Unit",
    "batches",
    "call_for",
    "narrowed",
    "on_targets",
    "plan_digest",
    "replace",
    "scope_for",
    "share",
    "units",
]
