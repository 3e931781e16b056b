"""The plan's canonical bytes: everything a run would do, calls included, frozen before anybody approves it (rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from procedures.domain import alarms, results
from procedures.domain.calls import CALL, Frame
from procedures.domain.canonical import canon, parse
from procedures.domain.capabilities import strongest
from procedures.domain.definition import PHASES, Definition, Step, Strategy
from procedures.domain.plan import Ask, batches, call_for, plain, scope_for, units
from procedures.domain.ports import Action, Target
from procedures.domain.sshkeys import fingerprint

Registry = Mapping[str, Action]


def build(
    definition: Definition,
    files: Mapping[str, bytes],
    ask: Ask,
    actions: Registry,
    frames: Mapping[str, Frame] | None = None,
) -> bytes:
    """The bytes of the plan. Raises what rendering raises: a run that cannot be planned is refused."""
    root = Frame("", "", definition, files, ask, {})
    below = dict(frames or {})
    value = {
        "v": 1,
        "run": str(ask.run),
        "no": ask.run_no,
        "procedure": ask.procedure,
        "digest": ask.digest,
        "environment": ask.environment,
        "requester": ask.requester,
        "reason": ask.reason,
        "parameters": plain(ask.parameters),
        "secrets": dict(ask.secret_marks),
        "risk": ask.risk,
        "profile": ask.profile,
        "approvals": dict(ask.approvals),
        "min_strength": ask.min_strength,
        "targets": _targets([root, *below.values()]),
        **_order(root),
        "credentials": {name: row for frame in (root, *below.values()) for name, row in _credentials(frame).items()},
        "timeout_s": definition.timeout_s,
        "steps": _steps(root, below, actions),
    }
    if ask.continues:
        value["continues"] = dict(ask.continues)
    if tier := strongest(frame.definition.sandbox for frame in (root, *below.values())):
        value["sandbox"] = {"min_tier": tier}
    if ask.recipients:
        value["recipients"] = results.told(ask.recipients)
    if ask.uploads:
        value["uploads"] = {name: dict(facts) for name, facts in ask.uploads.items()}
    if below:
        value["calls"] = [_call(frame) for frame in below.values()]
    return canon(value)


def answered(
    plan: bytes,
    root: Frame,
    below: Mapping[str, Frame],
    actions: Registry,
    answers: Mapping[str, Mapping[str, Any]],
) -> bytes:
    """The plan as answers at its gates make it: what waited for one is written out, and nothing else is touched.

    `answers` are by gate, which its path names. Raises what rendering raises.
    """

    def told(frame: Frame) -> Frame:
        at = frame.prefix
        mine = {gate.removeprefix(at): values for gate, values in answers.items() if gate.startswith(at)}
        return replace(frame, ask=replace(frame.ask, answers=mine))

    value: dict[str, Any] = parse(plan)
    value["steps"] = _steps(told(root), {at: told(frame) for at, frame in below.items()}, actions)
    value["answers"] = {gate: plain(values) for gate, values in answers.items()}
    return canon(value)


def _targets(all_frames: list[Frame]) -> list[dict[str, Any]]:
    """Every target that the run touches, each once, in the order in which frames name them."""
    found = {t.name: t for frame in all_frames for t in frame.ask.targets}
    return [_target(t) for t in found.values()]


def _target(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "address": target.address,
        "port": target.port,
        "host_key": target.host_key_sha256,
        **({"host_authority": fingerprint(target.host_authority)} if target.host_authority else {}),
        "trust": target.trust,
        "tags": dict(target.tags),
    }


def _order(frame: Frame) -> dict[str, Any]:
    """In which groups a frame takes its targets, and how many may fail."""
    targets = frame.definition.targets
    strategy = targets.strategy if targets else Strategy()
    first = frame.ask.continues.get("first", frame.ask.run)  # a run that goes on keeps the order
    declared: dict[str, Any] = {"unreachable": targets.unreachable} if targets and targets.unreachable else {}
    if strategy.alarms:
        scope = scope_for(frame.definition, frame.ask)
        asked = [plain(alarms.rendered(alarm, scope)) for alarm in strategy.alarms]
        declared |= {"alarms": asked, "on_alarm": strategy.on_alarm, "private_networks": list(frame.ask.networks)}
    return {
        "batches": batches(strategy, frame.ask.targets, seed=f"{first}{frame.prefix}"),
        "strategy": {
            **declared,
            "mode": strategy.mode,
            "max_failures": strategy.max_failures,
            "canary": strategy.canary,
        },
    }


def _credentials(frame: Frame) -> dict[str, Any]:
    needs = frame.definition.credentials
    return {
        f"{frame.prefix}{name}": {
            "provider": b.provider,
            "role": b.role,
            "binding": b.digest,
            "kind": needs[name].kind,
            "scope": plain(needs[name].scope),
            "ceiling": plain(b.ceiling),
            "ttl_s": min(needs[name].ttl_s, b.max_ttl_s),
        }
        for name, b in frame.ask.bindings.items()
    }


def _call(frame: Frame) -> dict[str, Any]:
    """What is called, with what, where: a part of the plan that approvers see and the issuer judges."""
    return {
        "at": frame.prefix,
        "version": frame.version,
        "procedure": frame.ask.procedure,
        "digest": frame.ask.digest,
        "parameters": plain(frame.ask.parameters),
        "secrets": dict(frame.secrets),
        "targets": [t.name for t in frame.ask.targets],
        "timeout_s": frame.definition.timeout_s,
        **_order(frame),
    }


def _steps(frame: Frame, below: Mapping[str, Frame], actions: Registry) -> list[dict[str, Any]]:
    """The frame's steps in order, each call followed by the steps of what it calls."""
    rows: list[dict[str, Any]] = []
    scope = scope_for(frame.definition, frame.ask)
    for phase in PHASES:
        for step in frame.definition.branch(phase):
            rows.append(_step(frame, step, phase, actions[step.action], scope))
            if step.action == CALL:
                rows += _steps(below[f"{frame.prefix}{step.id}/"], below, actions)
    return rows


def _step(frame: Frame, step: Step, phase: str, action: Action, scope: Mapping[str, Any]) -> dict[str, Any]:
    effects = []
    for unit in units(step, action, frame.ask.targets, scope):
        call = call_for(frame.files, frame.ask, step, unit.target, scope=scope, each=unit.each)
        effects.append({"target": unit.label, "does": plain(action.plan(call))})
    row = {
        "phase": phase,
        "id": f"{frame.prefix}{step.id}",
        "name": step.name,
        "action": step.action,
        "credentials": [f"{frame.prefix}{name}" for name in step.credentials],
        "if": step.condition or "",
        "timeout_s": step.timeout_s or frame.definition.timeout_s,
        "on_failure": step.on_failure,
        "attempts": step.retry.attempts,
        "safe_after_stop": step.safe_after_stop,
        "effects": _folded(effects),
    }
    row |= {"idempotent": True} if step.idempotent else {}
    if needs := results.of_step(frame.definition, step.id):
        row["results"] = [results.planned(need, scope, frame.prefix) for need in needs]
    return row | ({"artifacts": [asdict(need) for need in step.artifacts]} if step.artifacts else {})


def _folded(effects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Effects that are alike but for the target are said once: `{"targets": [...], "does": {...}}`."""
    groups: dict[bytes, dict[str, Any]] = {}
    for effect in effects:
        key = canon(effect["does"])
        groups.setdefault(key, {"targets": [], "does": effect["does"]})["targets"].append(effect["target"])
    return list(groups.values())
