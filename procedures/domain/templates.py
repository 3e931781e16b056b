"""Whole files with `${{ … }}` and `{% … %}` in them, as Backstage's skeletons have: the same closed evaluator.

The file is parsed with Jinja's grammar, which Nunjucks shares, and walked over a white list: texts, values, `if`,
`for`, `set` and `raw`. Nothing is included, imported or called, and what a value holds is never parsed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateError

from procedures.domain import expression_filters
from procedures.domain.expression_walk import ExpressionRefused, Unresolved, Walk, text_of, truth

MAX_SOURCE = 1024 * 1024
MAX_RESULT = 1024 * 1024
MAX_STEPS = 200_000
MAX_ROUNDS = 10_000
SECONDS = 2.0
_BRACES = {"$": ("${{", "}}"), "": ("{{", "}}")}
_INSIDE = re.compile(r"(\$?\{\{|\{%)((?:(?!\{\{|\{%|\}\}|%\}).)*+)(\}\}|%\})", re.DOTALL)
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
_SCRIPTISH = (("!==", "!="), ("===", "=="), ("&&", " and "), ("||", " or "))
_TESTS: Mapping[str, Any] = {
    "defined": lambda v: v is not None,
    "undefined": lambda v: v is None,
    "none": lambda v: v is None,
    "null": lambda v: v is None,
    "string": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "mapping": lambda v: isinstance(v, Mapping),
}


class TemplateRefused(ExpressionRefused):
    """A file that does not parse as a template, uses what is not allowed, or grows too big."""

    code = "template.refused"
    next_step = "Use values, if, for, set and raw alone, or list the file under copyWithoutTemplating."


def plain_operators(text: str) -> str:
    """An expression with JavaScript's operators written as Jinja has them; what stands in quotes stays."""
    parts = _QUOTED.split(text)
    for number in range(0, len(parts), 2):
        for old, new in _SCRIPTISH:
            parts[number] = parts[number].replace(old, new)
    return "".join(parts)


@lru_cache(maxsize=8)
def _grammar(opened: str, closed: str, trim: bool, strip: bool) -> Environment:
    return Environment(
        variable_start_string=opened,
        variable_end_string=closed,
        trim_blocks=trim,
        lstrip_blocks=strip,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - only its parser is used; nothing is rendered by Jinja
    )


def render(
    source: str, scope: Mapping[str, Any], *, dollar: bool = True, trim: bool = False, strip: bool = False
) -> str:
    """The text of a template. `dollar`: values stand in `${{ }}`, else in `{{ }}` as cookiecutter has them.

    Raises TemplateRefused.
    """
    opened, closed = _BRACES["$" if dollar else ""]
    if opened not in source and "{%" not in source and "{#" not in source:
        return source
    if len(source) > MAX_SOURCE:
        raise TemplateRefused("The file is larger than 1 MB.")
    source = _INSIDE.sub(lambda m: m[1] + plain_operators(m[2]) + m[3], source)
    try:
        tree = _grammar(opened, closed, trim, strip).parse(source)
        return "".join(_Render(scope).all(tree.body))
    except (TemplateError, RecursionError) as problem:
        raise TemplateRefused(f"line {getattr(problem, 'lineno', 1)}: {problem}") from problem
    except TemplateRefused:
        raise
    except ExpressionRefused as problem:
        raise TemplateRefused(problem.message) from problem


class _Render(Walk):
    """One file on its way, with a budget of steps and of size for the whole of it."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        super().__init__({**scope})
        self.names: dict[str, Any] = self.scope  # type: ignore[assignment]
        self.size = 0
        self.until = time.monotonic() + SECONDS

    def all(self, body: list[nodes.Node]) -> Iterator[str]:
        for node in body:
            handler = _STATEMENTS.get(type(node))
            if handler is None:
                raise TemplateRefused(
                    f"line {node.lineno}: {type(node).__name__.lower()} is not allowed in a template."
                )
            yield from handler(self, node)

    def output(self, node: nodes.Output) -> Iterator[str]:
        for part in node.nodes:
            text = part.data if isinstance(part, nodes.TemplateData) else _shown(self.value(part))
            self.size += len(text)
            if self.size > MAX_RESULT:
                raise TemplateRefused("The result is larger than 1 MB.")
            yield text

    def branch(self, node: nodes.If) -> Iterator[str]:
        for test, body in [(node.test, node.body), *((one.test, one.body) for one in node.elif_)]:
            if truth(self.value(test)):
                return self.all(body)
        return self.all(node.else_)

    def loop(self, node: nodes.For) -> Iterator[str]:
        found = self.value(node.iter) or []
        rows = list(found.items()) if isinstance(found, Mapping) else found
        if not isinstance(rows, list | tuple) or len(rows) > MAX_ROUNDS or node.test is not None or node.recursive:
            raise TemplateRefused(f"line {node.lineno}: a loop goes over a list of at most {MAX_ROUNDS:,} items.")
        if not rows:
            yield from self.all(node.else_)
        before = dict(self.names)
        for number, row in enumerate(rows):
            self._step()
            self.names.update(_named(node.target, row))
            self.names["loop"] = {
                "index": number + 1,
                "index0": number,
                "first": number == 0,
                "last": number == len(rows) - 1,
                "length": len(rows),
            }
            yield from self.all(node.body)
        self.names.clear()
        self.names.update(before)

    def assign(self, node: nodes.Assign) -> Iterator[str]:
        self.names.update(_named(node.target, self.value(node.node)))
        return iter(())

    def _step(self, cost: int = 1) -> None:
        self.steps += cost
        if self.steps > MAX_STEPS or time.monotonic() > self.until:
            raise TemplateRefused("The template takes too many steps.")

    def value(self, node: nodes.Node) -> Any:
        self._step()
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None or not isinstance(node, nodes.Expr):
            raise TemplateRefused(f"line {node.lineno}: {type(node).__name__.lower()} is not allowed in a template.")
        return handler(node)

    def _list(self, node: nodes.List) -> list[Any]:
        found = super()._list(node)
        self._step(_weight(found))
        return found

    def _dict(self, node: nodes.Dict) -> dict[str, Any]:
        found = super()._dict(node)
        self._step(_weight(found))
        return found

    def _name(self, node: nodes.Name) -> Any:
        return None if node.name.startswith("_") else self.names.get(node.name)

    def _filter(self, node: nodes.Filter) -> Any:
        if node.name == "safe" and node.node is not None:
            return self.value(node.node)
        if node.name not in expression_filters.FILTERS or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateRefused(f"line {node.lineno}: there is no filter {node.name!r}.")
        return super()._filter(node)

    def _test(self, node: nodes.Test) -> bool:
        if node.name not in _TESTS or node.args or node.kwargs:
            raise TemplateRefused(f"line {node.lineno}: there is no test {node.name!r}.")
        return bool(_TESTS[node.name](self.value(node.node)))

    def _add(self, node: nodes.Add) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (left, right))
        return left + right if numbers else self._text(left) + self._text(right)

    def _text(self, value: Any) -> str:
        text = _shown(value)
        if len(text) > MAX_RESULT // 2:
            raise TemplateRefused("The result is larger than 1 MB.")
        return text


_STATEMENTS: Mapping[type[nodes.Node], Any] = {
    nodes.Output: _Render.output,
    nodes.If: _Render.branch,
    nodes.For: _Render.loop,
    nodes.Assign: _Render.assign,
}


def _named(target: nodes.Node, value: Any) -> dict[str, Any]:
    """What a `for` or `set` gives a name to."""
    if isinstance(target, nodes.Name) and not target.name.startswith("_"):
        return {target.name: value}
    if isinstance(target, nodes.Tuple) and isinstance(value, list | tuple) and len(value) == len(target.items):
        return {
            name: item for one, row in zip(target.items, value, strict=True) for name, item in _named(one, row).items()
        }
    raise TemplateRefused(f"line {target.lineno}: this cannot be given a name.")


def _weight(value: Any) -> int:
    """How many parts a value has; a list of two lists of two … is judged before it is shown."""
    if isinstance(value, Mapping):
        return 1 + sum(map(_weight, value.values()))
    return 1 + sum(map(_weight, value)) if isinstance(value, list | tuple) else 1


def _shown(value: Any) -> str:
    """How a value reads in a file: nothing for what is not there, lists as Nunjucks joins them."""
    if isinstance(value, Unresolved):
        raise TemplateRefused(f"{value.describe()} has not run.")
    if isinstance(value, list | tuple):
        return ",".join(_shown(item) for item in value)
    return "" if value is None else text_of(value)
