"""Two verifiers, written apart and on other libraries, say the same of packs at random, sound and broken."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from procedures.evidence import verify
from tests.factories import packs
from tests.factories.random_packs import random_pack
from tests.second import verifier

FEW, MANY = 60, 10_000


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic on the same bytes gives the same answer: it is done once."""
    monkeypatch.setattr(verify, "ed25519", functools.lru_cache(10_000)(verify.ed25519))


def compared(seeds: Iterable[int]) -> tuple[Counter[str], list[str]]:
    """(what both said, how often; the seeds on which they differ)."""
    said, apart = Counter[str](), []
    for seed in seeds:
        made, data = random_pack(seed)
        first = packs.verdict(data, made)
        short = {"1": "refused", "2": "refused", "3": "undetermined"}.get(first[:1], first)
        second = verifier.verdict(data, made.log.verifier, [one.verifier.text for one in made.witnesses])
        said[second] += 1
        if short != second:
            apart.append(f"seed {seed}: {first} / {second}")
    return said, apart


def test_they_agree_on_packs_at_random() -> None:
    said, apart = compared(range(FEW))
    assert apart == []
    assert set(said) == {"WITNESSED", "undetermined", "refused"}, said


@pytest.mark.figures
@pytest.mark.timeout(7200)
def test_they_agree_on_ten_thousand_packs_at_random(figure: Callable[[str, Any], None]) -> None:
    said, apart = compared(range(1000, 1000 + MANY))
    figure("second_verifier", {"packs": MANY, "said": dict(said), "apart": len(apart)})
    assert apart == []
