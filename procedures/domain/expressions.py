"""`${{ … }}`: a closed evaluator. Jinja's grammar, walked over a white list; values are never parsed again.

No calls, no underscore names, bounded steps and size. For every string s, `${{ parameters.s }}` is s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateSyntaxError

from procedures.domain import expression_filters
from procedures.domain.expression_walk import ExpressionRefused, Unresolved, Walk, joined, text_of

MAX_TEXT = 65_536
_OPEN, _CLOSE = "${{", "}}"
_JINJA = Environment(autoescape=False)  # noqa: S701 - only its parser is used; nothing is rendered by Jinja


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
    return expression


_ALLOWED = (
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Const,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.CondExpr,
    nodes.Neg,
    nodes.Concat,
)


def _allow(node: nodes.Node) -> None:
    if not isinstance(node, _ALLOWED):
        raise ExpressionRefused(f"{type(node).__name__} is not allowed in an expression.")
    names = [getattr(node, key, "") for key in ("name", "attr")]
    if any(isinstance(name, str) and name.startswith("_") for name in names):
        raise ExpressionRefused("Names that begin with an underscore are not allowed.")
    if isinstance(node, nodes.Filter) and (node.name not in expression_filters.FILTERS or node.kwargs or node.dyn_args):
        raise ExpressionRefused(f"There is no filter {node.name!r}.")


def render(value: Any, scope: Mapping[str, Any]) -> Any:
    """`value` with every expression in it evaluated; a text that is one expression keeps its type."""
    if isinstance(value, str):
        template = parse(value)
        if template.literal:
            return value
        walk = Walk(scope)
        parts = [part if isinstance(part, str) else walk.value(part) for part in template.parts]
        return parts[0] if template.whole else joined(parts)
    if isinstance(value, Mapping):
        return {key: render(item, scope) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, scope) for item in value]
    return value


def evaluate(text: str, scope: Mapping[str, Any]) -> Any:
    """A condition or list: one whole expression. Unresolved raises, since nothing unresolved decides."""
    template = parse(text)
    if not template.whole:
        raise ExpressionRefused(f"{text!r} must be one expression.")
    result = Walk(scope).value(template.parts[0])  # type: ignore[arg-type]
    if isinstance(result, Unresolved):
        raise ExpressionRefused(f"{text!r} is not known yet: {result.describe()} has not run.")
    return result


def value_of(part: nodes.Expr, scope: Mapping[str, Any]) -> Any:
    """The value of one part of a parsed text."""
    return Walk(scope).value(part)


def paths_of(part: nodes.Expr) -> frozenset[str]:
    """The first names that one part of a parsed text reads."""
    return frozenset(path[0] for path in _paths(part))


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

__all__ = [
    "ExpressionRefused",
    "Template",
    "Unresolved",
    "evaluate",
    "has_expression",
    "names_used",
    "parse",
    "paths_of",
    "render",
    "text_of",
    "value_of",
]
