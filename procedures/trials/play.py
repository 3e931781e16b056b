"""Plays one test and says whether what it expects holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from procedures.domain import parameters, plan
from procedures.domain.definition import Definition
from procedures.domain.errors import InvalidInput
from procedures.domain.ports import Target
from procedures.trials.case import Case
from procedures.trials.walk import Played, Walk

Way = Callable[[Mapping[str, bytes], Definition, Case, plan.Ask], Walk]


def played(files: Mapping[str, bytes], definition: Definition, one: Case, walk: Way = Walk) -> str:
    """What was planned, run and recorded. Raises Wrong."""
    values = _values(definition, one)
    if values is None:
        return f"refused as expected at {', '.join(sorted(map(str, one.expect['refused'])))}"
    found = walk(files, definition, one, ask_of(definition, one, values)).go()
    _compare(one, found)
    return found.told()


def _values(definition: Definition, one: Case) -> Mapping[str, Any] | None:
    """The resolved parameters; None where they are refused as expected."""
    refused = one.expect.get("refused")
    try:
        values = parameters.resolve(definition.parameters, one.said.get("parameters") or {})
    except InvalidInput as problem:
        pointers = sorted({pointer for pointer, _ in problem.problems})
        if refused is not None and sorted(map(str, refused)) == pointers:
            return None
        raise one.wrong(f"the parameters are refused at {', '.join(pointers)}: {problem.message}", "parameters") from (
            problem
        )
    if refused is not None:
        raise one.wrong("the parameters were to be refused, and are not.", "expect", "refused")
    return values


def ask_of(definition: Definition, one: Case, values: Mapping[str, Any]) -> plan.Ask:
    """The question of which the plan is the answer, with the test's own targets."""
    targets = [
        Target(UUID(int=n), t["name"], "test", "127.0.0.1", 22, "", "", "certificate", tags=dict(t.get("tags") or {}))
        for n, t in enumerate(one.said.get("targets") or [])
    ]
    return plan.Ask(
        run=uuid4(),
        run_no=0,
        procedure=definition.name,
        digest="",
        environment=str(one.said.get("environment", "development")),
        requester="tester",
        reason="a test",
        parameters=values,
        secret_marks=dict.fromkeys(definition.secrets.get("properties", {}), ""),
        targets=targets,
        bindings={},
        approvals={},
        min_strength="session",
        risk=definition.risk,
        profile="team",
    )


def _compare(one: Case, found: Played) -> None:
    """Raise Wrong for the first expectation that does not hold."""
    expect = one.expect
    order = [str(step) for step in expect.get("order") or []]
    if "order" in expect and order != found.order:
        raise one.wrong(f"the order is {', '.join(found.order)}; expected was {', '.join(order)}.", "expect", "order")
    for step in expect.get("steps") or {}:
        if step not in {*found.ran, *found.recorded, *found.real}:
            raise one.wrong(f"the step {step} was expected to run and did not.", "expect", "steps", str(step))
    unasked = sorted(set(one.said.get("recorded") or {}) - {*found.recorded, *found.real})
    if unasked:
        raise one.wrong(f"nothing asked for the record of {unasked[0]}.", "recorded", unasked[0])
    if "plan" in expect:
        _compare_plans(one, found)
    wanted = expect.get("outcome", found.outcome)
    if wanted != found.outcome:
        raise one.wrong(f"it {found.outcome}; expected was {wanted}.", "expect", "outcome")


def _compare_plans(one: Case, found: Played) -> None:
    """The steps of `plan:` are exactly those planned, and each key named there is exactly what is planned."""
    wanted = one.expect["plan"] or {}
    for step in found.plans:
        if step not in wanted:
            raise one.wrong(f"{step} is planned, and the expected plan does not name it.", "expect", "plan")
    for step, keys in wanted.items():
        if step not in found.plans:
            raise one.wrong(f"{step} is not planned.", "expect", "plan", str(step))
        for key, value in (keys or {}).items():
            here = found.plans[step]
            if key not in here:
                known = ", ".join(sorted(here))
                raise one.wrong(f"the plan of {step} has no {key}; it has {known}.", "expect", "plan", step, str(key))
            if here[key] != value:
                raise one.wrong(
                    f"the plan of {step} has {key} {here[key]!r}; expected was {value!r}.", "expect", "plan", step, key
                )
