"""The verifier page says what verify.py says: of honest packs, kept ones, attacks, packs at random, changed bytes."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.offline import PAGE
from tests.evidence.test_attacks import ATTACKS, company, drawn
from tests.evidence.test_mutations import LEVELS, altered, history, members, pack_of
from tests.factories import packs
from tests.factories.histories import History
from tests.factories.random_packs import random_pack
from tests.fixtures.offline_verifier import Engine, apart, by_python, engine
from tests.golden.keep import kept, releases

__all__ = ["history", "members"]
FEW, MANY, CHANGED = 40, 10_000, 60


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arithmetic on the same bytes gives the same answer: it is done once."""
    for name in ("ed25519", "p256", "rsa"):
        monkeypatch.setattr(verify, name, functools.lru_cache(10_000)(getattr(verify, name)))


@pytest.mark.parametrize("release", releases())
def test_every_kept_pack_is_told_alike(page: Engine, release: str) -> None:
    for name, data, said in kept(release):
        first = by_python(data, said["log_key"])
        assert page.found(data, said["log_key"]) == first, name
        assert first["verdict"] == "SIGNED"


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_rejected_alike(page: Engine, attack: str) -> None:
    made, data = ATTACKS[attack][0]()
    assert apart(page, made, data) == ""
    keys = [one.verifier.text for one in made.witnesses]
    assert page.found(data, made.log.verifier, keys, "WITNESSED")["verdict"] in ("FAILED", "UNDETERMINED")


def test_honest_packs_reach_what_verify_py_says_and_no_more(page: Engine, tmp_path: Path) -> None:
    for made in (company(), drawn(favourite=False)):
        data = verify.zip_bytes(packs.packed(made))
        keys = [one.verifier.text for one in made.witnesses]
        assert apart(page, made, data) == ""
        assert page.found(data, made.log.verifier, keys)["verdict"] == "WITNESSED"
        assert page.found(data, made.log.verifier)["verdict"] == "SIGNED"
        assert page.found(data, "", require="INTACT")["verdict"] == "INTACT"
        assert page.found(data, "")["code"] == 3
        other = load_key(tmp_path / "other", made.log.name).verifier
        assert page.found(data, other)["verdict"] in ("FAILED", "MALFORMED")


def test_they_agree_on_packs_at_random(page: Engine) -> None:
    found = {seed: apart(page, *random_pack(seed)) for seed in range(5000, 5000 + FEW)}
    assert not {seed: said for seed, said in found.items() if said}


@pytest.mark.figures
@pytest.mark.timeout(7200)
def test_they_agree_on_ten_thousand_packs_at_random(page: Engine, figure: Callable[[str, Any], None]) -> None:
    found = {seed: said for seed in range(20_000, 20_000 + MANY) if (said := apart(page, *random_pack(seed)))}
    figure("offline_verifier", {"packs": MANY, "apart": len(found)})
    assert found == {}


@pytest.mark.parametrize("level", LEVELS)
def test_a_changed_byte_is_found_alike(page: Engine, history: History, members: dict[str, bytes], level: str) -> None:
    chance, every = random.Random(level), list(altered(members, level))
    for place in random.Random(11).sample(every, CHANGED):
        data = pack_of(history, members, level, place, chance)
        keys = [one.verifier.text for one in history.witnesses]
        assert page.found(data, history.trusted(), keys, "WITNESSED")["verdict"] in ("FAILED", "MALFORMED"), place
        assert apart(page, history, data) == "", place


def test_the_proof_of_one_event_is_told_alike(page: Engine) -> None:
    made = company()
    data, key = packs.packed(made)["export.tlog-proof"], made.log.verifier
    keys = [one.verifier.text for one in made.witnesses]
    policy = verify.Policy.of_keys(keys, len(keys))
    assert page.found(data, key, keys, "WITNESSED") == verify.verify_entry(data, key, "WITNESSED", policy)
    for at in random.Random(3).sample(range(len(data)), 40):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        said = page.found(changed, key, keys, "WITNESSED")
        assert said["verdict"] in ("FAILED", "MALFORMED", "UNDETERMINED"), at


KEYS = [one.verifier.text for one in company(0).witnesses]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"logKey": "no key"}, "is no key"),
        ({"logKey": KEYS[0]}, "not of type 01"),
        ({"witnessKeys": [company(0).log.verifier]}, "is a log's"),
        ({"witnessKeys": KEYS, "quorum": 3}, "3 of 2 members"),
        ({"witnessKeys": KEYS, "policyText": "quorum none\n"}, "give it alone"),
        ({"policyText": "quorum none"}, "last line has no end"),
        ({"policyText": f"witness a {KEYS[0]}\n"}, "no quorum line"),
        ({"policyText": f"witness a {KEYS[0]}\nwitness b {KEYS[0]}\nquorum a\n"}, "stands twice"),
    ],
)
def test_what_nobody_can_trust_is_refused_by_name(page: Engine, given: dict[str, Any], words: str) -> None:
    said = page.answer(b"x", given)
    assert words in said.get("wrong", ""), said


@pytest.mark.parametrize(
    ("rule", "instead"),
    [
        ('return key !== null && subtle().verify("Ed25519", key, signature, message);', "return key !== null;"),
        ("if (canon(list(one.body.runs)) !== canon(ranked[at]))", "if (false)"),
    ],
)
def test_a_page_that_forgot_a_rule_would_be_caught_here(tmp_path: Path, rule: str, instead: str) -> None:
    weak = tmp_path / "weak.html"
    text = PAGE.read_text()
    assert rule in text
    weak.write_text(text.replace(rule, instead))
    with engine(tmp_path, weak) as page:
        attacks = [attack for attack in ATTACKS if apart(page, *ATTACKS[attack][0]())]
        assert attacks or any(apart(page, *random_pack(seed)) for seed in range(60))
