"""What the contract test needs to know of each kind of source: its samples, and where its keys are.

To add a kind: put small files of your own into samples/KIND/, and, if they are neither YAML nor JSON, a function here
that gives every key of a file as the path that the importer's account uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain.bundle import PHASES
from procedures.domain.importing import MARKED, Carried
from procedures.importers.ledger import Part, path_text
from procedures.importers.sources import documents

SAMPLES = Path(__file__).with_name("samples")
Keys = Callable[[str, bytes], set[str]]


def kinds() -> list[str]:
    return [kind for kind, module in registry.OUR_IMPORTERS.items() if find_spec(module)]


def samples(kind: str) -> list[Path]:
    return sorted((SAMPLES / kind).iterdir()) if (SAMPLES / kind).is_dir() else []


def yaml_keys(name: str, data: bytes) -> set[str]:
    """Every key of a YAML or JSON file."""
    found = [document.value for document in documents(data)]
    return {path_text(path) for path, _ in nodes(found[0] if len(found) == 1 else found) if isinstance(path[-1], str)}


def nodes(value: Any, path: tuple[Part, ...] = ()) -> Iterator[tuple[tuple[Part, ...], Any]]:
    """(path, value) of everything inside a value, outer before inner."""
    rows: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for part, item in rows:
        yield (*path, part), item
        yield from nodes(item, (*path, part))


def rundeck_keys(name: str, data: bytes) -> set[str]:
    """The same, below `job[0]`; for XML, whose elements and attributes are counted elsewhere, none."""
    if name.endswith(".xml"):
        return set()
    return {f"job{key}" for key in yaml_keys(name, data)}


KEYS: Mapping[str, Keys] = {"rundeck": rundeck_keys}


def keys_of(kind: str) -> Keys:
    return KEYS.get(kind, yaml_keys)


def check(kind: str, name: str, data: bytes, carried: Carried) -> None:
    """The contract: every key has one fate, every folder is free of errors, what is marked is what blocks."""
    told = [key.at for key in carried.keys]
    accounts = set(told)
    assert len(told) == len(accounts), sorted(at for at in accounts if told.count(at) > 1)
    assert all(key.fate in {"mapped", "ignored", "reported"} and key.said for key in carried.keys)
    known = keys_of(kind)(name, data)
    inner = {at for key in known for at in above(key)}
    split = {at for key in accounts for at in above(key)}
    for key in known:
        fates = [at for at in (key, *above(key)) if at in accounts]
        assert fates or key in split or key in inner, f"{key} has no fate"
    assert carried.procedures
    assert len({one.name for one in carried.procedures}) == len(carried.procedures)
    for one in carried.procedures:
        found = load(one.files, registry.actions())
        assert not [str(finding) for finding in found.findings if finding.severity == "error"]
        assert found.definition.name == one.name
        marked = [step.id for phase in PHASES for step in found.definition.branch(phase) if step.action == MARKED]
        assert sorted(marked) == sorted(one.marked)


def above(key: str) -> list[str]:
    """The paths that stand above a key."""
    return [key[:end] for end in range(1, len(key)) if key[end] in ".["]
