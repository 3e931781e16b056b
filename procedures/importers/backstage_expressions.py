"""Backstage's expressions as ours: JavaScript's operators rewritten, and what a run does not know told by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain import expressions
from procedures.domain.expressions import ExpressionRefused
from procedures.domain.templates import plain_operators

_EXPRESSION = re.compile(r"""\$\{\{((?>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?!\}\}).)*+)\}\}""", re.DOTALL)
_ITEM = re.compile(r"(?<![\w.])each\.value\b")
BARE = re.compile(r"\$\{\{\s*parameters\.(\w+)\s*\}\}")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_HINTS = {
    "user": "who asked is `run.requester` here, and no catalogue entry of theirs is known",
    "each": "an item is known in the input of a step with `each` alone",
    "backstage": "nothing of the Backstage that it ran in is known",
    "context": "nothing of the Backstage that it ran in is known",
}


@dataclass(slots=True)
class Names:
    """What expressions may read: names of parameters and secrets, ids of steps, and `each` within a step that has one.

    `over_list`: what Backstage writes `each.value` is `each` here.
    """

    parameters: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    steps: set[str] = field(default_factory=set)
    each: bool = False
    over_list: bool = False

    def problem(self, path: tuple[str, ...]) -> str:
        """Why a name cannot be read, or an empty text."""
        known = {"parameters": self.parameters, "steps": self.steps}
        if path[0] in known:
            missing = len(path) > 1 and path[1] not in known[path[0]]
            return f"There is no {path[0].removesuffix('s')} {path[1]}." if missing else ""
        if path[0] == "each" and self.each:
            return "The number of an item is not known here." if self.over_list and path[1:2] == ("key",) else ""
        if path[0] == "secrets":
            return "A secret stands in the environment or the standard input of a program alone."
        return f"It reads {'.'.join(path)}: {_HINTS.get(path[0], 'a run knows no such name')}."


def without_unasked(value: Any, names: Names) -> tuple[Any, list[str]]:
    """The value without parts that read a parameter which no form asks: in Backstage they were always empty."""
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        gone: list[str] = []
        for key, item in value.items():
            if name := _unasked(item, names):
                gone.append(name)
            else:
                kept[key], below = without_unasked(item, names)
                gone += below
        return kept, gone
    return value, []


def _unasked(text: Any, names: Names) -> str:
    """The parameter that a text reads, is nothing but, and that nobody asks; else an empty text."""
    found = BARE.fullmatch(text.strip()) if isinstance(text, str) else None
    return found[1] if found and found[1] not in names.parameters else ""


def carried(value: Any, names: Names) -> tuple[Any, list[str]]:
    """The value with every expression in our own words, and what stands in its way."""
    problems: list[str] = []
    return _carried(value, names, problems), list(dict.fromkeys(problems))


def _carried(value: Any, names: Names, problems: list[str]) -> Any:
    if isinstance(value, str):
        return _text(value, names, problems)
    if isinstance(value, Mapping):
        if any("${{" in str(key) for key in value):
            problems.append("An expression stands in a key.")
        return {str(key): _carried(item, names, problems) for key, item in value.items()}
    return [_carried(item, names, problems) for item in value] if isinstance(value, list) else value


def _text(text: str, names: Names, problems: list[str]) -> str:
    ours = _EXPRESSION.sub(lambda found: "${{" + _ours(found[1], over_list=names.over_list) + "}}", text)
    try:
        paths = expressions.names_used(ours)
    except ExpressionRefused as problem:
        problems.append(problem.message)
        return text
    problems += [told for path in sorted(paths) if (told := names.problem(path))]
    return ours


def _ours(inner: str, *, over_list: bool) -> str:
    """One expression. `+` beside a literal text joins texts, which is written `~` here."""
    parts = _QUOTED.split(plain_operators(inner))
    if over_list:
        parts[0::2] = [_ITEM.sub("each", part) for part in parts[0::2]]
    if len(parts) > 1:
        parts[0::2] = [part.replace("+", "~") for part in parts[0::2]]
    return "".join(parts)
