"""Ansible's INI inventories: sections of hosts, children and variables, line by line."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import UNGROUPED, Inventory
from procedures.inventories.ansible_hosts import expand

_SECTION = re.compile(r"^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:\#.*)?$")
_GROUP = re.compile(r"^([^:\]\s]+)\s*(?:\#.*)?$")
_KINDS = ("hosts", "children", "vars")


@dataclass(slots=True)
class _Waiting:
    """A group that was named before it was declared."""

    line: int
    kind: str
    parents: list[str] = field(default_factory=list)


def read(data: bytes) -> Inventory:
    """Raises ImportRefused with the line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise ImportRefused("The file is not UTF-8.", line=data[: problem.start].count(b"\n") + 1) from problem
    reader = _Reader()
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and line[0] not in "#;":
            reader.take(line, number)
    return reader.done()


class _Reader:
    def __init__(self) -> None:
        self.inventory = Inventory()
        self.group, self.kind = UNGROUPED, "hosts"
        self.waiting: dict[str, _Waiting] = {}

    def take(self, line: str, number: int) -> None:
        if section := _SECTION.match(line):
            self.section(section[1], section[2] or "hosts", number)
        elif line.startswith("[") and line.endswith("]"):
            raise ImportRefused(f"{line!r} is no section: no blanks and no other signs may stand in it.", line=number)
        else:
            getattr(self, f"in_{self.kind}")(line, number)

    def section(self, name: str, kind: str, number: int) -> None:
        if kind not in _KINDS:
            raise ImportRefused(f"[{name}:{kind}] is of no known kind: hosts, children or vars.", line=number)
        if name not in self.inventory.groups:
            if kind == "vars" and name not in self.waiting:
                self.waiting[name] = _Waiting(number, "vars")
            self.inventory.group(name)
        if kind != "vars" and (waited := self.waiting.pop(name, None)):
            for parent in waited.parents:
                self.child(parent, name, number)
        self.group, self.kind = name, kind

    def child(self, parent: str, name: str, number: int) -> None:
        if not self.inventory.add_child(parent, name):
            raise ImportRefused(f"The group {name} contains itself.", line=number)

    def in_hosts(self, line: str, number: int) -> None:
        try:
            words = shlex.split(line, comments=True)
        except ValueError as problem:
            raise ImportRefused(f"The line does not parse: {problem}.", line=number) from problem
        if not words:
            return
        variables = [_pair(word, number) for word in words[1:]]
        names, port = expand(words[0], number)
        for name in names:
            self.inventory.add_host(name, self.group, port).update(variables)

    def in_vars(self, line: str, number: int) -> None:
        self.inventory.set_group_variable(self.group, *_pair(line, number))

    def in_children(self, line: str, number: int) -> None:
        found = _GROUP.match(line)
        if found is None:
            raise ImportRefused(f"{line!r} is no name of a group.", line=number)
        if found[1] in self.inventory.groups and found[1] not in self.waiting:
            self.child(self.group, found[1], number)
        else:
            self.waiting.setdefault(found[1], _Waiting(number, "children")).parents.append(self.group)

    def done(self) -> Inventory:
        for name, waited in self.waiting.items():
            raise ImportRefused(f"The group {name} is used here and declared nowhere.", line=waited.line)
        self.inventory.settle()
        return self.inventory


def _pair(word: str, number: int) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise ImportRefused(f"{word!r} is not name=value.", line=number)
    return name.strip(), _value(value.strip())


def _value(text: str) -> Any:
    """A Python literal as itself, anything else as text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
    return found if isinstance(found, str | int | float | bool | list | dict | tuple | None) else text
