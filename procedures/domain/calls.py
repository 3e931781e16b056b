"""Procedures that call procedures: a run is a tree of frames, each an accepted definition with its own parameters.

A frame's steps are named by the path of calls that leads to it: step `drain` of what step `restart` calls is
`restart/drain`. Nothing of a call is decided at run time (rule 19), so the whole tree stands in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from procedures.domain import expressions, limits, parameters
from procedures.domain.definition import PHASES, Definition, Step
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.plan import Ask, scope_for
from procedures.domain.ports import Binding, Target

CALL = "procedure:run"
MAX_DEPTH = limits.CALL_DEPTH
MAX_FRAMES = limits.CALLS_PER_RUN


class CallRefused(OpsError):
    """A call that cannot be planned: too deep, not callable, or with parameters that do not fit."""

    code = "call.refused"
    next_step = "Look at the called procedure's own form, and submit the caller again if that has changed."


@dataclass(frozen=True, slots=True)
class Callee:
    """An accepted version that a closure names. `calls` are its own pinned callees by name."""

    version: str
    digest: str
    definition: Definition
    files: Mapping[str, bytes]
    calls: Mapping[str, Callee]


@dataclass(frozen=True, slots=True)
class Frame:
    """One called procedure inside a run. `prefix` ends in "/", `secrets` maps its names to the run's."""

    prefix: str
    version: str
    definition: Definition
    files: Mapping[str, bytes]
    ask: Ask
    secrets: Mapping[str, str]


Resolve = Callable[[Definition, Mapping[str, object]], tuple[list[Target], Mapping[str, Binding]]]


def called(definition: Definition) -> dict[str, Step]:
    """The call steps of a definition by id, in every branch."""
    return {step.id: step for phase in PHASES for step in definition.branch(phase) if step.action == CALL}


def frames(definition: Definition, ask: Ask, calls: Mapping[str, Callee], resolve: Resolve) -> dict[str, Frame]:
    """Every frame below a definition by prefix, outer before inner. Raises CallRefused, InvalidInput."""
    found: dict[str, Frame] = {}
    _descend(definition, ask, calls, resolve, "", {name: name for name in ask.secret_marks}, found)
    return found


def _descend(
    definition: Definition,
    ask: Ask,
    calls: Mapping[str, Callee],
    resolve: Resolve,
    prefix: str,
    secrets: Mapping[str, str],
    found: dict[str, Frame],
) -> None:
    for step in called(definition).values():
        callee = calls.get(str(step.input["procedure"]))
        if callee is None:
            raise CallRefused(f"{prefix}{step.id} calls {step.input['procedure']}, which its closure does not pin.")
        below = f"{prefix}{step.id}/"
        if below.count("/") > MAX_DEPTH or len(found) >= MAX_FRAMES:
            raise CallRefused(f"Calls go deeper than {MAX_DEPTH}, or there are more than {MAX_FRAMES}.")
        lent = _secrets(step, callee, secrets)
        inner = _ask(definition, ask, step, callee, resolve, lent)
        found[below] = Frame(below, callee.version, callee.definition, callee.files, inner, lent)
        _descend(callee.definition, inner, callee.calls, resolve, below, lent, found)


def _ask(
    definition: Definition, ask: Ask, step: Step, callee: Callee, resolve: Resolve, lent: Mapping[str, str]
) -> Ask:
    """What the callee is asked, under its own limits: parameters, environments and targets (rule 13)."""
    name = callee.definition.name
    if ask.environment not in callee.definition.environments:
        raise CallRefused(f"{step.id} calls {name}, which does not run in {ask.environment}.")
    scope = {**scope_for(definition, ask), "secrets": {}}
    given = expressions.render(dict(step.input.get("parameters") or {}), scope)
    try:
        values = parameters.resolve(callee.definition.parameters, given)
    except InvalidInput as problem:
        told = "; ".join(f"{pointer}: {message}" for pointer, message in problem.problems)
        raise CallRefused(f"{step.id} calls {name} with parameters that do not fit: {told}") from problem
    targets, bindings = resolve(callee.definition, values)
    return replace(
        ask,
        procedure=name,
        digest=callee.digest,
        parameters=values,
        secret_marks=dict.fromkeys(lent, ""),
        targets=targets,
        bindings=bindings,
    )


def _secrets(step: Step, callee: Callee, outer: Mapping[str, str]) -> dict[str, str]:
    """Names of the callee's secrets → names of the run's, as `input.secrets` says it by name."""
    schema = callee.definition.secrets or {}
    lent: dict[str, str] = {}
    for inner, name in dict(step.input.get("secrets") or {}).items():
        if inner not in schema.get("properties", {}):
            raise CallRefused(f"{step.id} hands over the secret {inner}, which {callee.definition.name} does not take.")
        if str(name) in outer:
            lent[inner] = outer[str(name)]
    missing = [inner for inner in schema.get("required") or [] if inner not in lent]
    if missing:
        raise CallRefused(
            f"{callee.definition.name} needs the secret {missing[0]}, which {step.id} does not hand over."
        )
    return lent
