"""YAML behind a guard over parse events: small, shallow, no anchors, no duplicate keys, no YAML 1.1 surprises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from procedures.domain import limits
from procedures.domain.errors import OpsError

MAX_BYTES = limits.YAML_BYTES
MAX_DEPTH = 40
MAX_EVENTS = 20_000
_INT = re.compile(r"^[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"^[-+]?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?$")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Mark = tuple[int, int]


class YamlRefused(OpsError):
    """A document that the guard does not let in. `line` and `column` count from 1; `rule` is lint's code."""

    code = "yaml.refused"
    next_step = "Write plain YAML: no anchors, no tags, each key once."

    def __init__(self, message: str, mark: Mark = (1, 1), *, rule: str = "yaml") -> None:
        super().__init__(message)
        self.line, self.column = mark
        self.rule = rule


@dataclass(slots=True)
class Document:
    """A value and, for each JSON pointer in it, where it stands: `{pointer: (line, column)}`."""

    value: Any
    marks: dict[str, Mark] = field(default_factory=dict)

    def where(self, pointer: str) -> Mark:
        """The place of a pointer, or of its nearest parent."""
        while pointer and pointer not in self.marks:
            pointer = pointer.rpartition("/")[0]
        return self.marks.get(pointer, (1, 1))


def load(data: bytes) -> Document:
    """Raises YamlRefused; never takes more than the limits say."""
    if len(data) > MAX_BYTES:
        raise YamlRefused(f"The file is {len(data):,} bytes; the limit is {MAX_BYTES:,}.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise YamlRefused("The file is not UTF-8.") from problem
    try:
        return _Build(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlRefused(str(getattr(problem, "problem", None) or "The YAML does not parse."), place) from problem


class _Build:
    def __init__(self, events: Any) -> None:
        self.events = events
        self.count = 0
        self.marks: dict[str, Mark] = {}

    def next(self) -> Any:
        self.count += 1
        if self.count > MAX_EVENTS:
            raise YamlRefused(f"The file has more than {MAX_EVENTS:,} parts.")
        event = next(self.events)
        if getattr(event, "anchor", None):
            raise YamlRefused("Anchors and aliases are not allowed in a procedure.", _mark(event), rule="yaml-anchor")
        if getattr(event, "tag", None) not in (None, "!", "tag:yaml.org,2002:str"):
            raise YamlRefused(f"The tag {event.tag} is not allowed.", _mark(event))
        return event

    def document(self) -> Document:
        self.next()
        if isinstance(self.next(), yaml.StreamEndEvent):
            raise YamlRefused("The file is empty.")
        value = self.value(self.next(), "", 0)
        self.next()
        if not isinstance(self.next(), yaml.StreamEndEvent):
            raise YamlRefused("The file holds more than one document.")
        return Document(value, self.marks)

    def value(self, event: Any, path: str, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise YamlRefused(f"The file is nested deeper than {MAX_DEPTH} levels.", _mark(event))
        self.marks[path] = _mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.mapping(path, depth)

    def sequence(self, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.value(event, f"{path}/{len(items)}", depth + 1))
        return items

    def mapping(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise YamlRefused("A key must be plain text.", _mark(event))
            key = str(event.value)
            if key in found:
                raise YamlRefused(f"The key {key!r} stands here twice.", _mark(event), rule="yaml-twice")
            if key == "<<" and event.implicit[0]:
                raise YamlRefused("Merge keys are not allowed in a procedure.", _mark(event), rule="yaml-anchor")
            escaped = key.replace("~", "~0").replace("/", "~1")
            found[key] = self.value(self.next(), f"{path}/{escaped}", depth + 1)
            self.marks[f"{path}/{escaped}"] = _mark(event)
        return found


def _mark(event: Any) -> Mark:
    return (event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(event: Any) -> Any:
    """JSON's own scalars and nothing else: `no`, `012` and `12:30:45` stay text."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in {"true", "false"}:
        return text == "true"
    if text in {"", "null", "~"}:
        return None
    if _INT.match(text):
        return int(text) if len(text) < 20 else text
    return float(text) if _FLOAT.match(text) else text
