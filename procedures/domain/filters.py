"""The language that chooses targets: parsed first, so that a parameter can only ever be one literal (H6).

role=web service=${{ parameters.service }}        side by side means and
(tier=front or tier=back) and not name~"db-*"     `~` matches a pattern with * and ?
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from procedures.domain import expressions
from procedures.domain.errors import OpsError

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<op>!=|=|~)|(?P<quoted>"(?:[^"\\]|\\.)*")
    |(?P<expr>\$\{\{.*?\}\})|(?P<word>[A-Za-z0-9_./:@*?%+-]+))""",
    re.VERBOSE,
)
MAX_LENGTH = 4_000


class FilterRefused(OpsError):
    """A target filter that does not parse, or a parameter where none may stand."""

    code = "filter.refused"
    next_step = "Write key=value, key!=value or key~pattern, joined by and, or, not and parentheses."


@dataclass(frozen=True, slots=True)
class _Test:
    key: str
    op: str
    value: str


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str  # "and" | "or" | "not" | "test" | "all"
    parts: tuple[_Node, ...] = ()
    test: _Test | None = None


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        token = self.peek()
        self.at += 1
        return token

    def either(self, depth: int) -> _Node:
        parts = [self.both(depth)]
        while self.peek() == ("word", "or"):
            self.take()
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else _Node("or", tuple(parts))

    def both(self, depth: int) -> _Node:
        parts = [self.one(depth)]
        while self.peek()[0] not in {"end", "close"} and self.peek() != ("word", "or"):
            if self.peek() == ("word", "and"):
                self.take()
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else _Node("and", tuple(parts))

    def one(self, depth: int) -> _Node:
        if depth > 20:
            raise FilterRefused("The filter is nested too deeply.")
        kind, text = self.take()
        if (kind, text) == ("word", "not"):
            return _Node("not", (self.one(depth + 1),))
        if kind == "open":
            inner = self.either(depth + 1)
            if self.take()[0] != "close":
                raise FilterRefused("A parenthesis is not closed.")
            return inner
        if (kind, text) == ("word", "*"):
            return _Node("all")
        if kind != "word":
            raise FilterRefused(f"A key is expected, not {text or 'the end'!r}.")
        return self.comparison(text)

    def comparison(self, key: str) -> _Node:
        kind, op = self.take()
        if kind != "op":
            raise FilterRefused(f"After {key} comes =, != or ~.")
        kind, value = self.take()
        if kind not in {"word", "quoted", "expr"}:
            raise FilterRefused(f"After {key}{op} comes a value.")
        if kind == "expr" and op == "~":
            raise FilterRefused("A parameter cannot stand in a pattern: only to the right of = or !=.")
        if kind == "quoted":
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
            if "${{" in value:
                raise FilterRefused("An expression is a whole value of its own, without quotes.")
        if kind == "expr" and not expressions.parse(value).whole:
            raise FilterRefused("Only one whole expression can be a value.")
        return _Node("test", test=_Test(key, op, value))


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > MAX_LENGTH:
        raise FilterRefused("The filter is longer than 4,000 characters.")
    found: list[tuple[str, str]] = []
    index, end = 0, len(text.rstrip())
    while index < end:
        match = _TOKEN.match(text, index)
        if match is None or match.end() == index:
            raise FilterRefused(f"Cannot read the filter at {text[index : index + 20]!r}.")
        kind = str(match.lastgroup)
        glued = kind == "expr" and (
            (match.end() < end and text[match.end()] not in " \t\n)") or text[match.start(kind) - 1] not in "=~ \t\n("
        )
        if glued:
            raise FilterRefused("An expression is a whole value of its own, with nothing glued to it.")
        found.append((kind, match[kind]))
        index = match.end()
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter whose values may still be expressions."""

    root: _Node
    text: str

    @property
    def is_wildcard(self) -> bool:
        """Whether it may match every target of the environment: nothing in it demands an equality."""
        return not _demands(self.root)

    def expressions(self) -> list[str]:
        return [t.value for t in _tests(self.root) if t.value.startswith("${{")]

    def demands(self) -> set[str]:
        """The parts that must all hold, each as it parses; one part less lets more targets in."""
        return {repr(part) for part in (self.root.parts if self.root.kind == "and" else (self.root,))}

    def may_match(self, target: Any) -> bool:
        """Whether some values of its expressions would match this target: the most that it can reach."""
        return _may(self.root, target) is not False

    def bind(self, scope: Mapping[str, Any]) -> BoundFilter:
        """Put values in. Each becomes one literal, whatever it contains. Raises FilterRefused."""
        return BoundFilter(_bind(self.root, scope))


@dataclass(frozen=True, slots=True)
class BoundFilter:
    root: _Node

    def matches(self, target: Any) -> bool:
        """`target` is a ports.Target or a mapping with `name` and `tags`."""
        return _matches(self.root, target)


def parse(text: str) -> Filter:
    """Raises FilterRefused."""
    if not text.strip():
        raise FilterRefused("The filter is empty; write * for every target.")
    parser = _Parser(text)
    root = parser.either(0)
    if parser.peek()[0] != "end":
        raise FilterRefused(f"Unexpected {parser.peek()[1]!r} in the filter.")
    return Filter(root, text)


def _tests(node: _Node) -> list[_Test]:
    own = [node.test] if node.test else []
    return own + [test for part in node.parts for test in _tests(part)]


def _demands(node: _Node) -> bool:
    if node.kind == "test" and node.test is not None:
        return node.test.op == "="
    if node.kind == "and":
        return any(_demands(part) for part in node.parts)
    return node.kind == "or" and all(_demands(part) for part in node.parts)


def _bind(node: _Node, scope: Mapping[str, Any]) -> _Node:
    if node.test is not None and node.test.value.startswith("${{"):
        value = expressions.evaluate(node.test.value, scope)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise FilterRefused(f"The value for {node.test.key} must be a text or a whole number.")
        return _Node("test", test=_Test(node.test.key, node.test.op, str(value)))
    return _Node(node.kind, tuple(_bind(part, scope) for part in node.parts), node.test)


def _matches(node: _Node, target: Any) -> bool:
    if node.kind == "all":
        return True
    if node.kind == "and":
        return all(_matches(part, target) for part in node.parts)
    if node.kind == "or":
        return any(_matches(part, target) for part in node.parts)
    if node.kind == "not":
        return not _matches(node.parts[0], target)
    assert node.test is not None  # noqa: S101 - by construction
    found = _field(target, node.test.key)
    if node.test.op == "=":
        return found == node.test.value
    if node.test.op == "!=":
        return found != node.test.value
    return found is not None and fnmatchcase(found, node.test.value)


def _may(node: _Node, target: Any) -> bool | None:
    """True, False, or None for what a parameter decides."""
    if node.test is not None and node.test.value.startswith("${{"):
        absent = _field(target, node.test.key) is None
        return None if not absent else node.test.op == "!="
    found = [_may(part, target) for part in node.parts]
    if node.kind == "and":
        return False if False in found else None if None in found else True
    if node.kind == "or":
        return True if True in found else None if None in found else False
    if node.kind == "not":
        return None if found[0] is None else not found[0]
    return _matches(node, target)


def _field(target: Any, key: str) -> str | None:
    tags: Mapping[str, str] = target["tags"] if isinstance(target, Mapping) else target.tags
    if key == "name":
        return str(target["name"] if isinstance(target, Mapping) else target.name)
    return tags.get(key)
