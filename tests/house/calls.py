"""Who calls whom, read from the syntax trees: what a door reaches, before anything runs."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.house import tree


@dataclass(slots=True)
class Room:
    """One module: its functions by qualified name, and what its imported names stand for."""

    name: str
    functions: dict[str, ast.AST] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(tree.ROOT).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def rooms() -> dict[str, Room]:
    return {module_name(path): _room(path) for path in tree.python_files("procedures", "opsportal")}


def _room(path: Path) -> Room:
    room = Room(module_name(path))
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            room.names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            room.names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            room.bases[node.name] = [base for one in node.bases if (base := _dotted(one))]
    for qualified, function in _functions(tree.parsed(path).body, ""):
        room.functions[qualified] = function
    return room


def _functions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Functions, methods, and tables of functions at the top of a module, which count as what they name."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield prefix + node.name, ast.Module([n for n in node.body if _is_init(n)], [])
            yield from _functions(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and not prefix:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((t.id, node.value) for t in targets if isinstance(t, ast.Name))


def _is_init(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name in {"__init__", "__call__"}


def _found(dotted: str) -> tuple[str, str] | None:
    """(module, qualified name) of a dotted name, through what other modules re-export."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        room = rooms().get(".".join(parts[:cut]))
        if room is None:
            continue
        rest = parts[cut:]
        if not rest:
            return None
        if ".".join(rest) in room.functions:
            return room.name, ".".join(rest)
        if rest[0] in room.functions:
            return room.name, rest[0]
        again = room.names.get(rest[0])
        return _found(".".join([again, *rest[1:]])) if again and again != dotted else None
    return None


@functools.cache
def callees(module: str, function: str) -> frozenset[tuple[str, str]]:
    """What a function names: called, handed on, or looked up in a table."""
    room = rooms()[module]
    own = function.rpartition(".")[0]
    found: set[tuple[str, str]] = set()
    for node in ast.walk(room.functions[function]):
        dotted = _dotted(node)
        if dotted is None:
            continue
        first, _, rest = dotted.partition(".")
        if first in {"self", "cls"} and own:
            found |= _inherited(module, own, rest.partition(".")[0])
        elif first in room.functions:
            inner = f"{first}.{rest}"
            found.add((module, inner if inner in room.functions else first))
        elif first in room.names and (there := _found(f"{room.names[first]}.{rest}".rstrip("."))):
            found.add(there)
    return frozenset(found)


def _inherited(module: str, own: str, method: str) -> set[tuple[str, str]]:
    """A method of a class of ours, or of one that it is made from."""
    room = rooms()[module]
    if f"{own}.{method}" in room.functions:
        return {(module, f"{own}.{method}")}
    found: set[tuple[str, str]] = set()
    for base in room.bases.get(own, []):
        there = (module, base) if base in room.functions else _found(room.names.get(base, base))
        found |= _inherited(*there, method) if there else set()
    return found


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def reaches(module: str, function: str, goals: set[tuple[str, str]]) -> bool:
    """Whether a path of calls leads from a function to one of `goals`."""
    seen: set[tuple[str, str]] = set()
    waiting = [(module, function)]
    while waiting:
        here = waiting.pop()
        if here in goals:
            return True
        if here not in seen:
            seen.add(here)
            waiting += callees(*here)
    return False
