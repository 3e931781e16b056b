"""Evaluating one parsed expression: a walk over Jinja's syntax tree with a budget of steps and of size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from procedures.domain import expression_filters
from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret

MAX_STEPS = 10_000
MAX_BYTES = 1_000_000


class ExpressionRefused(OpsError):
    """An expression that does not parse, uses what is not allowed, names what is not there, or grows too big."""

    code = "expression.refused"
    next_step = "Use names, items, comparisons, and/or/not and the documented filters alone."


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A value that a step will produce at run time. Reading parts of it, or mixing it in, stays unresolved."""

    step: str

    def describe(self) -> str:
        return f"step {self.step}"


class Walk:
    """One evaluation with its budget of steps."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.scope = scope
        self.steps = 0

    def value(self, node: nodes.Node) -> Any:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise ExpressionRefused("The expression takes too many steps.")
        return getattr(self, f"_{type(node).__name__.lower()}")(node)

    def _const(self, node: nodes.Const) -> Any:
        return node.value

    def _name(self, node: nodes.Name) -> Any:
        if node.name not in self.scope:
            raise ExpressionRefused(f"There is no {node.name!r} here; known are {', '.join(sorted(self.scope))}.")
        return self.scope[node.name]

    def _getattr(self, node: nodes.Getattr) -> Any:
        return self._item(self.value(node.node), node.attr)

    def _getitem(self, node: nodes.Getitem) -> Any:
        return self._item(self.value(node.node), self.value(node.arg))

    def _item(self, holder: Any, key: Any) -> Any:
        if isinstance(holder, Unresolved):
            return holder
        if isinstance(key, str) and key.startswith("_"):
            raise ExpressionRefused("Names that begin with an underscore are not allowed.")
        if isinstance(holder, Mapping) and isinstance(key, str):
            return holder.get(key)
        if isinstance(holder, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
            return holder[key] if -len(holder) <= key < len(holder) else None
        if holder is None:
            return None
        raise ExpressionRefused(f"{type(holder).__name__} has no part {key!r}.")

    def _compare(self, node: nodes.Compare) -> Any:
        left = self.value(node.expr)
        for operand in node.ops:
            right = self.value(operand.expr)
            if isinstance(left, Unresolved) or isinstance(right, Unresolved):
                return left if isinstance(left, Unresolved) else right
            if not _compare(operand.op, left, right):
                return False
            left = right
        return True

    def _and(self, node: nodes.And) -> Any:
        left = self.value(node.left)
        return self.value(node.right) if isinstance(left, Unresolved) or truth(left) else left

    def _or(self, node: nodes.Or) -> Any:
        left = self.value(node.left)
        return left if isinstance(left, Unresolved) or truth(left) else self.value(node.right)

    def _not(self, node: nodes.Not) -> Any:
        inner = self.value(node.node)
        return inner if isinstance(inner, Unresolved) else not truth(inner)

    def _condexpr(self, node: nodes.CondExpr) -> Any:
        test = self.value(node.test)
        if isinstance(test, Unresolved):
            return test
        if truth(test):
            return self.value(node.expr1)
        return self.value(node.expr2) if node.expr2 is not None else None

    def _neg(self, node: nodes.Neg) -> Any:
        inner = self.value(node.node)
        if isinstance(inner, int | float) and not isinstance(inner, bool):
            return -inner
        raise ExpressionRefused("Only a number can be negated.")

    def _list(self, node: nodes.List) -> list[Any]:
        return [self.value(item) for item in node.items]

    def _dict(self, node: nodes.Dict) -> dict[str, Any]:
        return {str(self.value(pair.key)): self.value(pair.value) for pair in node.items}

    def _concat(self, node: nodes.Concat) -> Any:
        return joined([self.value(part) for part in node.nodes])

    def _filter(self, node: nodes.Filter) -> Any:
        if node.node is None:
            raise ExpressionRefused("A filter needs a value.")
        value = self.value(node.node)
        arguments = [self.value(argument) for argument in node.args]
        if isinstance(value, Unresolved):
            return value
        if isinstance(value, Secret) or any(isinstance(a, Secret) for a in arguments):
            raise ExpressionRefused("Filters do not take secrets.")
        try:
            result = expression_filters.FILTERS[node.name](value, *arguments)
        except (TypeError, ValueError, AttributeError) as problem:
            raise ExpressionRefused(f"The filter {node.name} does not take this value: {problem}") from problem
        _bounded(result)
        return result


def _compare(op: str, left: Any, right: Any) -> bool:
    if isinstance(left, Secret) or isinstance(right, Secret):
        raise ExpressionRefused("A secret cannot be compared.")
    if op in {"eq", "ne"}:
        same = left == right and isinstance(left, bool) == isinstance(right, bool)
        return same if op == "eq" else not same
    if op in {"in", "notin"}:
        if not isinstance(right, str | list | tuple | Mapping) or (
            isinstance(right, str) and not isinstance(left, str)
        ):
            raise ExpressionRefused("`in` wants a text, a list or an object on its right.")
        return (left in right) == (op == "in")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (left, right))
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise ExpressionRefused("Only two numbers or two texts have an order.")
    return bool({"gt": left > right, "gteq": left >= right, "lt": left < right, "lteq": left <= right}[op])


def truth(value: Any) -> bool:
    if isinstance(value, Secret):
        raise ExpressionRefused("A secret cannot decide anything.")
    return bool(value)


def _bounded(value: Any) -> None:
    if isinstance(value, str | bytes) and len(value) > MAX_BYTES:
        raise ExpressionRefused("The result is larger than 1 MB.")


def text_of(value: Any) -> str:
    """How a value reads inside a text: strings as they are, other types as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def joined(values: Sequence[Any]) -> Any:
    unresolved = next((v for v in values if isinstance(v, Unresolved)), None)
    if unresolved is not None:
        return unresolved
    if any(isinstance(v, Secret) for v in values):
        return Secret(b"".join(v.reveal() if isinstance(v, Secret) else text_of(v).encode() for v in values))
    joined = "".join(map(text_of, values))
    _bounded(joined)
    return joined
