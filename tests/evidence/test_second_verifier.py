"""Two verifiers, written apart and on other libraries, say the same of packs at random, sound and broken."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from procedures.evidence import verify
from tests.factories import packs
from tests.factories.histories import History
from tests.factories.random_packs import random_pack
from tests.fixtures.offline_verifier import by_python
from tests.second import verifier

FEW, MANY = 100, 10_000
BOTH_JUDGE = ("log key", "outage")


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic on the same bytes gives the same answer: it is done once."""
    monkeypatch.setattr(verify, "ed25519", functools.lru_cache(10_000)(verify.ed25519))


def first_of(made: History, data: bytes) -> dict[str, Any]:
    """What verify.py says, as far as the second verifier judges it too."""
    found = by_python(data, made.trusted(), packs.policy(made), "WITNESSED", packs.turns(made))
    if found["verdict"] in ("FAILED", "MALFORMED", "UNDETERMINED"):
        return {"verdict": "undetermined" if found["code"] == 3 else "refused"}
    asserted = sorted((row["index"], row["control"]) for row in found["asserted"] if row["control"] in BOTH_JUDGE)
    return {name: found[name] for name in ("verdict", "turned", "outages")} | {"asserted": asserted}


def compared(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """(what both said, how often, with packs over changed keys and outages; the seeds on which they differ)."""
    said, apart = Counter[str](), []
    for seed in seeds:
        made, data = random_pack(seed)
        first = first_of(made, data)
        keys = [one.verifier.text for one in made.witnesses]
        second = verifier.found(data, made.trusted(), keys, made.turns())
        said[second["verdict"]] += 1
        said.update(name for name in ("turned", "outages", "asserted") if second.get(name))
        if first != second:
            apart.append(f"seed {seed}: {first} / {second}")
    return said, apart


def test_they_agree_on_packs_at_random() -> None:
    said, apart = compared(range(FEW))
    assert apart == []
    assert set(said) == {"WITNESSED", "undetermined", "refused", "turned", "outages", "asserted"}, said


@pytest.mark.parametrize("place", [28, 29, 30, 32, 34, 36, 38, 42])
def test_a_directory_that_a_library_reads_all_the_same_is_no_pack(place: int) -> None:
    """Each field of the last entry; a name longer than what is left was cut short and taken, once in 3,000 packs."""
    made = History()
    made.found()
    data = verify.zip_bytes(packs.packed(made))
    keys = [one.verifier.text for one in made.witnesses]
    assert verifier.verdict(data, made.trusted(), keys) == "WITNESSED"
    at = data.rindex(b"PK\1\2") + place
    changed = data[:at] + bytes([data[at] ^ 109]) + data[at + 1 :]
    assert verifier.verdict(changed, made.trusted(), keys) == "refused"
    assert first_of(made, changed) == {"verdict": "refused"}


@pytest.mark.figures
@pytest.mark.timeout(7200)
def test_they_agree_on_ten_thousand_packs_at_random(figure: Callable[[str, Any], None]) -> None:
    said, apart = compared(range(1000, 1000 + MANY))
    figure("second_verifier", {"packs": MANY, "said": dict(said), "apart": len(apart)})
    assert apart == []
