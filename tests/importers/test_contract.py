"""One contract for every importer: each key has a fate, folders lint clean, and no file ends in a traceback."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procedures.definitions import registry
from procedures.domain.importing import ImportRefused
from procedures.importers.sources import documents
from tests.importers.contract import SAMPLES, check, kinds, nodes, samples

FILES = [(kind, place) for kind in kinds() for place in samples(kind)]
IDS = [f"{kind}-{place.name}" for kind, place in FILES]
YAML = [(kind, place) for kind, place in FILES if place.suffix in {".yaml", ".yml", ".json"}]
WRONG: list[Any] = [
    None,
    7,
    "text",
    "{{ x }} $(id)\n'",
    [],
    {},
    [None, {"a": [1]}],
    {"a": {"b": "\u200b${{ x }}"}},
    True,
]

MOST = 12


def judged(kind: str, name: str, data: bytes) -> None:
    """Imported by the contract, or refused with a line of the file."""
    refused = None
    try:
        carried = registry.importer(kind)(name, data)
    except ImportRefused as problem:
        refused = problem
    if refused is None:
        check(kind, name, data, carried)
    else:
        assert 1 <= refused.line <= data.count(b"\n") + 1
        assert refused.message


def test_every_kind_has_samples() -> None:
    assert kinds()
    assert not [kind for kind in kinds() if not samples(kind)]


@pytest.mark.parametrize(("kind", "place"), FILES, ids=IDS)
def test_a_sample_is_imported_and_every_key_has_one_fate(kind: str, place: Path) -> None:
    data = place.read_bytes()
    check(kind, place.name, data, registry.importer(kind)(place.name, data))


@pytest.mark.parametrize(("kind", "place"), YAML, ids=[f"{kind}-{place.name}" for kind, place in YAML])
def test_any_wrong_value_anywhere_is_judged(kind: str, place: Path) -> None:
    value = documents(place.read_bytes())[0].value
    every = list(enumerate(nodes(value)))
    some = random.Random(place.name).sample(every, min(MOST, len(every)))
    for number, (path, _) in some:
        changed = json.loads(json.dumps(value))
        holder = changed
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = WRONG[number % len(WRONG)]
        judged(kind, place.name, json.dumps(changed).encode())
        del holder[path[-1]]
        judged(kind, place.name, json.dumps(changed).encode())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FILES), st.integers(0, 2**32), st.binary(min_size=1, max_size=6))
def test_a_damaged_file_is_judged(file: tuple[str, Path], seed: int, dirt: bytes) -> None:
    kind, place = file
    data, choice = place.read_bytes(), random.Random(seed)
    start = choice.randrange(len(data))
    judged(kind, place.name, data[:start] + dirt + data[start + choice.randrange(12) :])
    judged(kind, place.name, data[:start])


HOSTILE = {
    "empty": b"",
    "blank": b" \n\n",
    "null": b"null\n",
    "binary": bytes(range(256)) * 20,
    "nul": b"name: a\x00b\n",
    "nul by escape": b'{"name": "a\\u0000b"}',
    "half a character": b'{"name": "\\ud800"}',
    "aliases": b"a: &a [x]\nb: [" + b"*a, " * 500 + b"]\n",
    "an alias of itself": b"a: &a [*a]\n",
    "nested lists": b"[" * 5000 + b"]" * 5000,
    "nested mappings": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "nine mebibytes": b"# much\n" + b"a: b\n" * (9 * 1024 * 1024 // 5),
    "a list": b"[1, 2]\n",
    "a number": b"42\n",
    "python": b"!!python/object/apply:os.system [id]\n",
    "entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"x" * 99 + b'">]><a>&b;</a>',
    "not a number": b'{"name": NaN}',
}


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("end", ["yaml", "json", "xml"])
def test_a_hostile_file_is_refused_with_a_line(kind: str, name: str, end: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        registry.importer(kind)(f"file.{end}", HOSTILE[name])
    assert 1 <= refused.value.line <= HOSTILE[name].count(b"\n") + 1
    assert refused.value.message


def test_the_contract_sees_a_key_that_was_left_out() -> None:
    """Without this the contract could be an empty one."""
    kind, place = "ssm", SAMPLES / "ssm" / "script.yaml"
    carried = registry.importer(kind)(place.name, place.read_bytes())
    gone = carried.keys.pop(0)
    with pytest.raises(AssertionError):
        check(kind, place.name, place.read_bytes(), carried)
    carried.keys += [gone, gone]
    with pytest.raises(AssertionError), contextlib.suppress(KeyError):
        check(kind, place.name, place.read_bytes(), carried)


def test_samples_are_of_kinds_that_exist() -> None:
    assert {place.name for place in SAMPLES.iterdir()} <= set(registry.OUR_IMPORTERS)
