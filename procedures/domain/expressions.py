"""`${{ … }}`: a closed evaluator. Jinja's grammar is parsed and walked over a white list; values are never parsed again.

No calls, no underscore names, bounded steps and size. For every string s, `${{ parameters.s }}` is s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError

from procedures.domain import expression_filters
from procedures.domain.errors import OpsError
from procedures.domain.secrets import Secret

MAX_STEPS = 10_000
MAX_BYTES = 1_000_000
MAX_TEXT = 65_536
_OPEN, _CLOSE = "${{", "}}"
_JINJA = Environment(autoescape=False)  # noqa: S701 - only its parser is used; nothing is rendered by Jinja


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


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and expressions in turn. `whole` is set when the text is exactly one expression."""

    parts: tuple[str | nodes.Expr, ...]

    @property
    def whole(self) -> bool:
        return len(self.parts) == 1 and not isinstance(self.parts[0], str)

    @property
    def literal(self) -> bool:
        return all(isinstance(part, str) for part in self.parts)


@lru_cache(maxsize=4096)
def parse(text: str) -> Template:
    """Split a text into literals and parsed expressions. Raises ExpressionRefused."""
    if len(text) > MAX_TEXT and _OPEN in text:
        raise ExpressionRefused("A text with expressions is longer than 64 KiB.")
    parts: list[str | nodes.Expr] = []
    rest = text
    while _OPEN in rest:
        before, _, after = rest.partition(_OPEN)
        inner, rest = _until_close(after)
        if before:
            parts.append(before)
        parts.append(_expression(inner))
    if rest:
        parts.append(rest)
    return Template(tuple(parts))


def _until_close(text: str) -> tuple[str, str]:
    """The inside of an expression and what follows; quotes may hold `}}`."""
    quote = ""
    index = 0
    while index < len(text):
        char = text[index]
        if quote:
            if char == "\\":
                index += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif text.startswith(_CLOSE, index):
            return text[:index], text[index + 2 :]
        index += 1
    raise ExpressionRefused("An expression is opened with ${{ and never closed with }}.")


def _expression(text: str) -> nodes.Expr:
    if not text.strip() or "{%" in text or "{#" in text:
        raise ExpressionRefused("An empty expression, or one with a statement or comment inside.")
    try:
        body = _JINJA.parse("{{" + text + "}}").body
    except (TemplateSyntaxError, RecursionError) as problem:
        raise ExpressionRefused(f"{text.strip()!r} does not parse: {problem}") from problem
    if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
        raise ExpressionRefused(f"{text.strip()!r} is not one expression.")
    expression = body[0].nodes[0]
    for node in [expression, *expression.find_all(nodes.Node)]:
        _allow(node)
    return expression  # type: ignore[return-value]


_ALLOWED = (
    nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Compare, nodes.Operand, nodes.And, nodes.Or,
    nodes.Not, nodes.Filter, nodes.List, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Neg, nodes.Concat,
)


def _allow(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        raise ExpressionRefused(f"{type(node).__name__} is not allowed in an expression.")
    names = [getattr(node, key, "") for key in ("name", "attr")]
    if any(isinstance(name, str) and name.startswith("_") for name in names):
        raise ExpressionRefused("Names that begin with an underscore are not allowed.")
    if isinstance(node, nodes.Filter) and (node.name not in expression_filters.FILTERS or node.kwargs or node.dyn_args):
        raise ExpressionRefused(f"There is no filter {node.name!r}.")


class _Walk:
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
        return self.value(node.right) if isinstance(left, Unresolved) or _true(left) else left

    def _or(self, node: nodes.Or) -> Any:
        left = self.value(node.left)
        return left if isinstance(left, Unresolved) or _true(left) else self.value(node.right)

    def _not(self, node: nodes.Not) -> Any:
        inner = self.value(node.node)
        return inner if isinstance(inner, Unresolved) else not _true(inner)

    def _condexpr(self, node: nodes.CondExpr) -> Any:
        test = self.value(node.test)
        if isinstance(test, Unresolved):
            return test
        if _true(test):
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
        return _joined([self.value(part) for part in node.nodes])

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
        if not isinstance(right, str | list | tuple | Mapping) or (isinstance(right, str) and not isinstance(left, str)):
            raise ExpressionRefused("`in` wants a text, a list or an object on its right.")
        return (left in right) == (op == "in")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (left, right))
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise ExpressionRefused("Only two numbers or two texts have an order.")
    return bool({"gt": left > right, "gteq": left >= right, "lt": left < right, "lteq": left <= right}[op])


def _true(value: Any) -> bool:
    if isinstance(value, Secret):
        raise ExpressionRefused("A secret cannot decide anything.")
    return bool(value)


def _bounded(value: Any) -> None:
    if isinstance(value, str | bytes) and len(value) > MAX_BYTES:
        raise ExpressionRefused("The result is larger than 1 MB.")


def text_of(value: Any) -> str:
    """How a value reads inside a text: strings as they are, other types as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _joined(values: Sequence[Any]) -> Any:
    unresolved = next((v for v in values if isinstance(v, Unresolved)), None)
    if unresolved is not None:
        return unresolved
    if any(isinstance(v, Secret) for v in values):
        return Secret(b"".join(v.reveal() if isinstance(v, Secret) else text_of(v).encode() for v in values))
    joined = "".join(map(text_of, values))
    _bounded(joined)
    return joined


def render(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with every expression in it evaluated; a text that is one expression keeps its type."""
    if isinstance(value, str):
        template = parse(value)
        if template.literal:
            return value
        walk = _Walk(scope)
        parts = [part if isinstance(part, str) else walk.value(part) for part in template.parts]
        return parts[0] if template.whole else _joined(parts)
    if isinstance(value, Mapping):
        return {key: render(item, scope) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, scope) for item in value]
    return value


def evaluate(text: str, scope: Mapping[str, Any]) -> Any:
    """A condition or list: the text must be one whole expression. Unresolved raises, since nothing unresolved decides."""
    template = parse(text)
    if not template.whole:
        raise ExpressionRefused(f"{text!r} must be one expression.")
    result = _Walk(scope).value(template.parts[0])  # type: ignore[arg-type]
    if isinstance(result, Unresolved):
        raise ExpressionRefused(f"{text!r} is not known yet: {result.describe()} has not run.")
    return result


def names_used(value: Any) -> frozenset[tuple[str, ...]]:
    """Dotted paths that the expressions of a value read, such as `("steps", "a", "output", "x")`."""
    found: set[tuple[str, ...]] = set()
    if isinstance(value, str):
        for part in parse(value).parts:
            if not isinstance(part, str):
                found |= _paths(part)
    elif isinstance(value, Mapping):
        for item in value.values():
            found |= names_used(item)
    elif isinstance(value, list | tuple):
        for item in value:
            found |= names_used(item)
    return frozenset(found)


def _paths(node: nodes.Node) -> set[tuple[str, ...]]:
    path = _path(node)
    if path:
        return {path}
    return {p for child in node.iter_child_nodes() for p in _paths(child)}


def _path(node: nodes.Node) -> tuple[str, ...]:
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        inner = _path(node.node)
        return (*inner, node.attr) if inner else ()
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner = _path(node.node)
        return (*inner, str(node.arg.value)) if inner else ()
    return ()


has_expression = re.compile(re.escape(_OPEN)).search
