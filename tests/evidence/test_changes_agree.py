"""Three verifiers say the same of each way in which a log's key is changed and an outage recorded, or claimed to be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from procedures.evidence import turning, verify
from procedures.evidence.notes import LogKey
from tests.evidence.test_second_verifier import compared, first_of
from tests.factories import random_changes
from tests.factories.histories import History, key
from tests.factories.random_packs import carelessly, random_pack
from tests.fixtures.offline_verifier import Engine, apart, engine
from tests.second import verifier

SEEDS = range(50_000, 51_500)
STAND = {"managers", "operators", "group", "said to have left"}  # in production; elsewhere any two names are enough
ONCE_MORE = {"replayed", "nothing signed"}  # after a true one
BROKEN = {"malformed", "lacking"}
NOT_TWO = {"one", "twice the same", "another statement"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("page")) as made:
        yield made


def alike(page: Engine, made: History) -> dict[str, Any]:
    """What all three say of a history's pack, which must be one."""
    data = verify.zip_bytes(carelessly(made, [], True, {}))
    found = first_of(made, data)
    assert verifier.found(data, made.trusted(), [one.verifier.text for one in made.witnesses], made.turns()) == found
    assert apart(page, made, data) == ""
    return found


def by_each_reader(page: Engine, made: History, brought: list[str] | None = None) -> list[dict[str, Any]]:
    """What is said to readers who have each of the keys that ever signed the log, in their order."""
    found = []
    made.brought = brought or []
    for one in made.keys:
        made.reader = one.verifier
        found.append(alike(page, made))
    return found


def company(seed: int = 3) -> tuple[History, random.Random]:
    made = History(seed)
    made.found()
    return made, random.Random(seed)


@pytest.mark.parametrize("how", sorted({*random_changes.CLAIMS} - {"signed on", "no note", "mangled"}))
def test_a_change_of_the_key_that_is_none_is_asserted_and_the_true_ones_count(page: Engine, how: str) -> None:
    made, chance = company()
    first = made.log
    random_changes.turn(made, chance, "true")
    claimed = made.tree.size
    random_changes.turn(made, chance, how)
    random_changes.turn(made, chance, "true")
    for found in by_each_reader(page, made):
        assert (found["verdict"], len(found["turned"])) == ("WITNESSED", 2)
        assert found["asserted"] == [(claimed, "log key")]
        assert found["turned"][0]["former"] == first.verifier


@pytest.mark.parametrize("name", ["", "other.example/log"])
def test_whoever_has_no_key_of_the_log_cannot_spoil_it_by_a_change_of_their_own(page: Engine, name: str) -> None:
    """Written before any true one, by SQL alone; signed by both of its keys and in its place."""
    made, chance = company()
    one, two = (random_changes.stranger(made, which, name) for which in "xy")
    size = made.tree.size
    note = turning.both(one, two, size)
    made.event("log.key_turned", {"size": size, "note": note, "former": "", "verifier": "", "reason": "", "by": ""})
    assert alike(page, made) == {
        "verdict": "WITNESSED",
        "turned": [],
        "outages": [],
        "asserted": [(size, "log key")],
    }
    random_changes.turn(made, chance, "true")
    for found in [*by_each_reader(page, made), *by_each_reader(page, made, list(made.notes))]:
        assert (found["verdict"], len(found["turned"])) == ("WITNESSED", 1)
    made.reader = two.verifier
    assert alike(page, made) == {"verdict": "refused"}


def test_who_had_the_key_before_changes_it_no_more_and_signs_no_more(page: Engine) -> None:
    made, chance = company()
    random_changes.turn(made, chance, "signed on")
    assert alike(page, made) == {"verdict": "refused"}
    made, chance = company()
    old = made.log
    random_changes.turn(made, chance, "true")
    thief, size = LogKey(old.name, key("thief")), made.tree.size
    made.event("log.key_turned", {"size": size, "note": turning.both(old, thief, size)})
    assert alike(page, made)["asserted"] == [(size, "log key")]
    true, made.log = made.log, thief
    for made.reader in (old.verifier, true.verifier):
        assert alike(page, made) == {"verdict": "refused"}, "the log itself says who has the key since"


def test_what_the_reader_knows_of_changes_counts_before_what_a_log_says(page: Engine) -> None:
    """A thief of the old key writes a log of their own, with a change to their own key in it."""
    made, chance = company()
    old, size = made.log, made.tree.size
    random_changes.turn(made, chance, "true")
    assert [found["verdict"] for found in by_each_reader(page, made)] == ["WITNESSED"] * 2, "the log alone cannot tell"
    brought = [turning.both(old, LogKey(old.name, key("the true one")), size - 1)]
    assert by_each_reader(page, made, brought)[0] == {"verdict": "refused"}
    assert [found["verdict"] for found in by_each_reader(page, made, list(made.notes))] == ["WITNESSED"] * 2


@pytest.mark.parametrize("how", sorted({*STAND, *random_changes.SIGNED_OTHERWISE} - BROKEN))
@pytest.mark.parametrize("place", ["production", "development"])
def test_an_outage_counts_where_two_signed_it_who_could_decide_there(page: Engine, how: str, place: str) -> None:
    made, chance = company()
    random_changes.outage(made, chance, how, place)
    found = alike(page, made)
    stands = how in STAND if place == "production" else how not in NOT_TWO
    asserted = [what for _, what in found["asserted"]].count("outage")
    assert (len(found["outages"]), asserted) == ((1, 1) if how in ONCE_MORE else (stands, not stands))


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_a_record_of_another_form_is_judged_alike(page: Engine, how: str) -> None:
    for seed in range(12):
        made, chance = company(seed)
        random_changes.outage(made, chance, how)
        alike(page, made)


@pytest.mark.figures
@pytest.mark.timeout(7200)
def test_all_three_agree_on_packs_at_random_with_changes_and_outages(
    page: Engine, figure: Callable[[str, Any], None]
) -> None:
    said, differ = compared(SEEDS)
    differ += [f"seed {seed}: {told}" for seed in SEEDS if (told := apart(page, *random_pack(seed)))]
    figure("three_verifiers_over_changes", {"packs": len(SEEDS), "said": dict(said), "apart": len(differ)})
    assert differ == []
