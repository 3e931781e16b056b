"""A narrower procedure.yaml: single lines taken out of the text as its author wrote it, and what took them told.

Nothing is written anew: comments, order and style stay. What comes out is read again and must be exactly the
definition without these lines; else nobody is handed anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from procedures.definitions.load import FILE, definition_of
from procedures.domain import limits, narrower
from procedures.domain.definition import PHASES, Definition
from procedures.domain.errors import OpsError


class NotEditable(OpsError):
    """A document whose text does not let that line be taken out by itself."""

    code = "use.not-editable"
    next_step = "Take it out by hand in the editor, and say why in the note to reviewers."


@dataclass(frozen=True, slots=True)
class Cut:
    """What is to go: `kind` and `what` as in the observation; `less` the narrower filter of `targets`."""

    kind: str
    step: str
    what: str
    less: str = ""


def narrowed(
    files: Mapping[str, bytes], cuts: Sequence[Cut], told: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, bytes], Definition]:
    """The files with each cut made and `told` under `spec.narrowed`. Raises NotEditable, NotACut."""
    text, wanted = files[FILE].decode(), definition_of(files)
    for cut in cuts:
        wanted = narrower.without(wanted, cut.kind, cut.step, cut.what, cut.less)
        text = _made(text, cut)
    notes = [*map(dict, wanted.narrowed), *map(dict, told)]
    if len(notes) > limits.NARROWINGS:
        raise NotEditable(
            f"It tells of {limits.NARROWINGS} narrowings already: take old ones out of spec.narrowed first."
        )
    text = _told(text, [dict(one) for one in told])
    made = {**files, FILE: text.encode()}
    try:
        found = definition_of(made)
    except OpsError as problem:
        raise NotEditable(f"Its text is written so that {_names(cuts)} cannot be taken out by itself.") from problem
    if found != replace(wanted, narrowed=tuple(notes)):
        raise NotEditable(f"Taking {_names(cuts)} out of its text would change something else too.")
    return made, found


def _names(cuts: Sequence[Cut]) -> str:
    return ", ".join(f"the {cut.kind} {cut.what}" for cut in cuts)


def _made(text: str, cut: Cut) -> str:
    spec = _child(_root(text), "spec")
    if cut.kind == "environment":
        return _without_item(text, _child(spec, "environments"), cut.what)
    if cut.kind == "targets":
        return _replaced(text, _child(_child(spec, "targets"), "filter"), cut.less)
    if cut.kind == "credential":
        return _without_credential(text, cut.what)
    given = _child(_step(spec, cut.step), "input")
    if cut.kind == "writes":
        return _without_key(text, given, "writes")
    hosts = _child(given, "egress")
    return _without_key(text, given, "egress") if len(hosts.value) == 1 else _without_item(text, hosts, cut.what)


def _without_credential(text: str, name: str) -> str:
    """Out of the declaration and out of every step; one at a time, since each moves what stands behind it."""
    spec = _child(_root(text), "spec")
    for phase in PHASES:
        for step in _find(spec, phase).value if _find(spec, phase) is not None else ():
            named = _find(step, "credentials")
            if named is not None and [one.value for one in named.value] == [name]:
                return _without_credential(_without_key(text, step, "credentials"), name)
    declared = _child(spec, "credentials")
    alone = len(declared.value) == 1
    return _without_key(text, spec, "credentials") if alone else _without_key(text, declared, name)


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _find(node: Any, key: str) -> Any:
    return next((value for name, value in node.value if name.value == key), None)


def _child(node: Any, key: str) -> Any:
    found = _find(node, key)
    if found is None:
        raise NotEditable(f"There is no {key} where it is looked for.")
    return found


def _step(spec: Any, id: str) -> Any:
    for phase in PHASES:
        rows = _find(spec, phase)
        for number, step in enumerate(rows.value if rows is not None else (), 1):
            named = _find(step, "id")
            if (named.value if named is not None else f"{phase}-{number}") == id:
                return step
    raise NotEditable(f"There is no step {id}.")


def _end(node: Any) -> int:
    """Where the text of a value ends; a block's own mark stands at what comes after it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _without_key(text: str, mapping: Any, key: str) -> str:
    pairs = [(name.start_mark.index, _end(value)) for name, value in mapping.value]
    at = [name.value for name, _ in mapping.value].index(key)
    return _taken(text, pairs, at, flow=mapping.flow_style, begins=lambda start: start)


def _without_item(text: str, sequence: Any, item: str) -> str:
    pairs = [(node.start_mark.index, _end(node)) for node in sequence.value]
    at = [node.value for node in sequence.value].index(item)
    return _taken(text, pairs, at, flow=sequence.flow_style, begins=lambda start: text.rindex("-", 0, start))


def _taken(text: str, pairs: Sequence[tuple[int, int]], at: int, *, flow: bool, begins: Callable[[int], int]) -> str:
    """The text without one of several things; in a block the whole of its lines go, in a flow its comma too."""
    start, end = pairs[at]
    if flow:
        if at + 1 < len(pairs):
            return text[:start] + text[pairs[at + 1][0] :]
        return text[: pairs[at - 1][1]] + text[end:] if at else text[:start] + text[end:]
    start = begins(start)
    line = text.rfind("\n", 0, start) + 1
    if text[line:start].strip():  # beside the dash of an item, say
        return text[:start] + text[pairs[at + 1][0] :] if at + 1 < len(pairs) else text
    stop = text.find("\n", max(end - 1, start))
    return text[:line] + (text[stop + 1 :] if stop >= 0 else "")


def _replaced(text: str, node: Any, value: str) -> str:
    return text[: node.start_mark.index] + json.dumps(value, ensure_ascii=False) + text[node.end_mark.index :]


def _told(text: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """With rows more under `spec.narrowed`, which stands at the end of spec."""
    spec = _child(_root(text), "spec")
    if spec.flow_style or not rows:
        raise NotEditable("Its spec stands on one line: write it as a block.")
    known = _find(spec, "narrowed")
    if known is not None and (known.flow_style or not known.value):
        raise NotEditable("Its spec.narrowed stands on one line: write it as a block.")
    column = known.value[0].start_mark.column - 2 if known is not None else spec.value[0][0].start_mark.column + 2
    lines = [f"{' ' * column}- {json.dumps(dict(row), ensure_ascii=False)}" for row in rows]
    if known is None:
        lines.insert(0, f"{' ' * (column - 2)}narrowed:")
    end = _end(known if known is not None else spec.value[-1][1])
    stop = text.find("\n", max(end - 1, 0))
    head, rest = (text[: stop + 1], text[stop + 1 :]) if stop >= 0 else (text + "\n", "")
    return head + "\n".join(lines) + "\n" + rest
