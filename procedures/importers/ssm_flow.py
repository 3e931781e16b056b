"""The order of an SSM automation: when each step is reached, as a condition over what was given and what came before.

Steps run one after another here, so only ways forward can be kept; a way back is a problem of the step it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from procedures.importers.ssm_text import REFERENCE, Names, literal

Condition = str | Literal[True]
LONGEST = 2_000
_OPERATORS = {
    "StringEquals": "==",
    "NumericEquals": "==",
    "NumericGreater": ">",
    "NumericLesser": "<",
    "NumericGreaterOrEquals": ">=",
    "NumericLesserOrEquals": "<=",
    "BooleanEquals": "==",
}


@dataclass(slots=True)
class Node:
    """One step. `after` is the name of the next or None at the end; `failure` is abort, continue or a name.

    `done` is an expression that is true once the step has succeeded, or empty where nothing tells that.
    """

    name: str
    after: str | None
    failure: str = "abort"
    done: str = ""
    choices: list[tuple[Condition, str]] = field(default_factory=list)


@dataclass(slots=True)
class Flow:
    """When each step is reached: True for always; a step that is missing is never reached."""

    reached: dict[str, Condition] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def flow(nodes: list[Node]) -> Flow:
    """Follow every way forward from the first step."""
    found = Flow()
    order = {node.name: number for number, node in enumerate(nodes)}
    ways: dict[str, list[Condition]] = {nodes[0].name: [True]} if nodes else {}
    for number, node in enumerate(nodes):
        here = either(ways.get(node.name, []))
        if here is None:
            continue
        if isinstance(here, str) and len(here) > LONGEST:
            found.problems[node.name] = "The condition under which it is reached is too long to be read."
            here = True
        found.reached[node.name] = here
        for condition, target in _leaving(node, here):
            if target not in order:
                found.problems[node.name] = "It goes on to a step that is not there."
            elif order[target] <= number:
                found.problems[node.name] = "It goes back to an earlier step; there are no loops here."
            else:
                ways.setdefault(target, []).append(condition)
    return found


def _leaving(node: Node, here: Condition) -> list[tuple[Condition, str]]:
    if node.choices:
        left: list[tuple[Condition, str]] = []
        before: Condition = here
        for condition, target in node.choices:
            left.append((both(before, condition), target))
            before = both(before, negated(condition)) if condition is not True else before
        return left
    ways: list[tuple[Condition, str]] = []
    jumps = node.failure not in {"abort", "continue"} and node.done
    if node.after is not None:
        ways.append((both(here, node.done) if jumps else here, node.after))
    if jumps:
        ways.append((both(here, negated(node.done)), node.failure))
    return ways


def both(one: Condition, other: Condition) -> Condition:
    if one is True or other is True:
        return other if one is True else one
    return f"{_grouped(one)} and {_grouped(other)}"


def negated(condition: Condition) -> Condition:
    inner = str(condition)[5:-1]
    if condition == f"not ({inner})" and "(" not in inner and ")" not in inner:
        return inner
    return f"not {_grouped(str(condition))}"


def either(ways: list[Condition]) -> Condition | None:
    """The one condition of several ways; None if there is none."""
    if not ways or any(way is True for way in ways):
        return True if ways else None
    rows = list(dict.fromkeys(str(way) for way in ways))
    return rows[0] if len(rows) == 1 else " or ".join(map(_grouped, rows))


def _grouped(condition: str) -> str:
    return f"({condition})" if " " in condition else condition


def choice(row: Any, names: Names) -> str | None:
    """The condition of one choice of a branch, or None where the expression language has no such thing."""
    if not isinstance(row, Mapping):
        return None
    rows = {key: value for key, value in row.items() if key != "NextStep"}
    for word, joined in (("And", " and "), ("Or", " or ")):
        if set(rows) == {word} and isinstance(rows[word], list) and rows[word]:
            parts = [choice(item, names) for item in rows[word]]
            return None if None in parts else joined.join(_grouped(str(part)) for part in parts)
    if set(rows) == {"Not"}:
        inner = choice(rows["Not"], names)
        return None if inner is None else f"not {_grouped(inner)}"
    if len(rows) != 2 or "Variable" not in rows:
        return None
    operator = next(key for key in rows if key != "Variable")
    return _comparison(operator, _value(rows["Variable"], names), _value(rows[operator], names))


def _comparison(operator: str, left: str | None, right: str | None) -> str | None:
    if left is None or right is None:
        return None
    if operator == "EqualsIgnoreCase":
        return f"{left} | default('') | lower == {right} | lower"
    if operator == "Contains":
        return f"{right} in ({left} | default(''))"
    return f"{left} {_OPERATORS[operator]} {right}" if operator in _OPERATORS else None


def _value(value: Any, names: Names) -> str | None:
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value.strip())
        if whole:
            return names.expression(whole[1])
        return None if REFERENCE.search(value) else literal(value)
    return literal(value) if isinstance(value, bool | int | float) else None
