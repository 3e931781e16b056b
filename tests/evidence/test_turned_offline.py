"""The verifier page follows a log's key that was changed by both keys, as verify.py does, and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.evidence import proofs, turning, verify
from procedures.evidence.models import Checkpoint, Leaf
from procedures.evidence.notes import LogKey, load_key
from procedures.evidence.record import record
from tests.evidence.conftest import Log
from tests.evidence.test_turned_keys import Turned, turn, turned
from tests.fixtures.offline_verifier import Engine, engine

__all__ = ["turned"]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Engine]:
    folder = tmp_path / "page"
    folder.mkdir()
    with engine(folder) as made:
        yield made


def alike(page: Engine, data: bytes, key: LogKey, notes: list[str] | None = None) -> dict[str, Any]:
    """What both say, which must be one, of a pack or a proof."""
    text = "" if notes is None else json.dumps(notes)
    turns = verify.Turns.read(text.encode()) if text else None
    by = verify.verify if data.startswith(b"PK") else verify.verify_entry
    try:
        first = json.loads(json.dumps(by(data, key.verifier, turns=turns)))
    except verify.Failed as problem:
        first = {"verdict": {1: "FAILED", 2: "MALFORMED"}[problem.code], "member": problem.member, "code": problem.code}
    second = page.answer(data, {"logKey": key.verifier, "turnsText": text}, "SIGNED").get("found")
    assert {name: one for name, one in second.items() if name != "reason"} == first
    return first


def test_packs_over_changes_verify_with_any_of_their_keys(page: Engine, turned: Turned) -> None:
    again = turn(turned.log, turned.path)
    pack = turned.log.pack()
    for key in (turned.old, again.old, again.new):
        found = alike(page, pack, key)
        assert (found["verdict"], len(found["turned"])) == ("SIGNED", 2)
    other = load_key(turned.path.with_suffix(".other"), turned.old.name)
    assert alike(page, pack, other)["verdict"] == "FAILED"


def test_an_older_pack_wants_the_changes_or_the_key_of_its_time(
    page: Engine, log: Log, tmp_path: Path, settings: Any
) -> None:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    before = log.pack()
    done = turn(log, tmp_path / "log.key")
    assert alike(page, before, done.old)["verdict"] == "SIGNED"
    assert alike(page, before, done.new)["verdict"] == "FAILED"
    assert alike(page, before, done.new, turning.notes())["verdict"] == "SIGNED"
    proof = proofs.proof_of(Leaf.objects.get(index=0).event_id, body=True)
    for key in (done.old, done.new):
        assert alike(page, proof, key, turning.notes())["verdict"] == "SIGNED"
    assert alike(page, proof, done.old)["verdict"] == "MALFORMED", "no line of it is by a key that is known"


def test_a_thief_s_own_history_is_refused_by_who_knows_of_the_change(
    page: Engine, log: Log, tmp_path: Path, settings: Any
) -> None:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    log.sequence()
    old, size = log.sequencer.key, Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    new = load_key(tmp_path / "next.key", old.name)
    pack = log.pack()
    assert alike(page, pack, old)["verdict"] == "SIGNED", "who knows nothing else cannot tell"
    for key in (old, new):
        found = alike(page, pack, key, [turning.both(old, new, size - 1)])
        assert (found["verdict"], found["member"]) == ("FAILED", "log/checkpoint.end")


@pytest.mark.parametrize("how", ["alone", "elsewhere", "by a stranger", "back again", "no note"])
def test_a_change_that_the_database_claims_is_asserted_alike(page: Engine, turned: Turned, how: str) -> None:
    thief = load_key(turned.path.with_suffix(".own"), turned.old.name)
    turned.log.sequence()
    size = Checkpoint.objects.order_by("-size").first().size  # type: ignore[union-attr]
    note = {
        "alone": turning.both(turned.new, turned.new, size).replace(turned.new.verifier, thief.verifier, 2),
        "elsewhere": turning.both(turned.new, thief, size + 7),
        "by a stranger": turning.both(turned.old, thief, size),
        "back again": turning.both(turned.new, turned.old, size),
        "no note": "no note",
    }[how]
    facts = {"size": size, "former": "", "verifier": "", "note": note, "reason": "", "by": ""}
    with transaction.atomic():
        record("log.key_turned", actor=None, at=now(), facts=facts)
    found = alike(page, turned.log.pack(), turned.old)
    assert [row["control"] for row in found["asserted"]] == ["log key"]
    assert len(found["turned"]) == 1


def test_a_file_of_changes_that_no_two_keys_signed_is_not_begun_with(page: Engine, tmp_path: Path) -> None:
    one, two = (load_key(tmp_path / name, "x/log") for name in ("one", "two"))
    good = turning.both(one, two, 4)
    for bad in (
        {"a": 1},
        [1],
        [good.replace("\n4\n", "\n5\n")],
        [good.replace("\n4\n", "\n04\n")],
        [turning.both(one, one, 4)],
    ):
        said = page.answer(b"x", {"logKey": one.verifier, "turnsText": json.dumps(bad)})
        assert said.get("wrong"), said
    assert page.answer(b"x", {"logKey": one.verifier, "turnsText": "no JSON"}).get("wrong")
    assert "wrong" not in page.answer(b"x", {"logKey": one.verifier, "turnsText": json.dumps([good, good])})
