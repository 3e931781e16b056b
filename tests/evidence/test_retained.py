"""ML-DSA-44 beside Ed25519 on what packs keep: three verifiers say the same, and none passes over it in silence."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from django.db import DatabaseError, transaction

from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.evidence import retained, turning, verify
from procedures.evidence.models import Checkpoint, Event, Retained, RetainState
from procedures.evidence.notes import head_of, load_key, split_note
from procedures.evidence.retained import LongKey, Retaining, load_long, retaining
from procedures.evidence.sequence import Sequencer
from tests.evidence.conftest import Log
from tests.evidence.test_attacks import company
from tests.factories import packs
from tests.factories.histories import History
from tests.fixtures.offline_verifier import Engine, engine
from tests.second import verifier as second

Bend = Callable[[str], str]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Engine]:
    folder = tmp_path / "page"
    folder.mkdir()
    with engine(folder) as made:
        yield made


@dataclass
class Kept:
    """A log with a second key, whose sequencer takes a turn whenever an export waits."""

    log: Log
    path: Path
    keeps: Retaining


@pytest.fixture
def kept(log: Log, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Kept:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    path = tmp_path / "log.key"
    keeps = retaining(path, log.key)
    assert keeps is not None
    made = Kept(log, path, keeps)
    waits = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: made.keeps.once(now()))
    monkeypatch.setattr(retained, "time", waits)
    return made


def line_for(key: LongKey, note: str) -> str:
    return key.line(head_of(split_note(note)[0]))


def packed(made: History, key: LongKey, *, line: Bend = str, end: Bend = str, named: str = "") -> bytes:
    """A pack with the second key's lines, bent by somebody, and honestly logged and signed again."""
    members = packs.packed(made)
    note = members["log/checkpoint.end"].decode()
    members["log/checkpoint.end"] = end(note + line(line_for(key, note))).encode()
    members["manifest.json"] = canon(json.loads(members["manifest.json"]) | {"mldsa": named or key.verifier})
    members = verify.unzip(packs.relogged(made, members))
    proof = members["export.tlog-proof"].decode()
    members["export.tlog-proof"] = (proof + line_for(key, proof.partition("\n\n")[2])).encode()
    return verify.zip_bytes(members)


def said_by_all(page: Engine, made: History, data: bytes, mldsa: str = "") -> dict[str, Any]:
    """What verify.py says; the page says the same, and the second verifier whether it holds at all."""
    try:
        first = json.loads(json.dumps(verify.verify(data, made.log.verifier, mldsa=mldsa or None)))
    except verify.Failed as problem:
        first = {"verdict": {1: "FAILED", 2: "MALFORMED", 3: "UNDETERMINED"}[problem.code]}
        first |= {"member": problem.member, "code": problem.code}
    given = {"logKey": made.log.verifier, "mldsaKey": mldsa}
    page_said = page.answer(data, given, "SIGNED")["found"]
    assert {name: one for name, one in page_said.items() if name != "reason"} == first
    if not mldsa:
        holds = second.verdict(data, made.log.verifier, []) == "WITNESSED"  # by all of none
        assert holds == (first["verdict"] == "SIGNED")
    return first


def test_a_pack_carries_both_signatures_under_both_of_its_notes(kept: Kept, page: Engine) -> None:
    data, key = kept.log.pack(), kept.keeps.key.verifier
    row = {"name": kept.log.sequencer.key.name, "mark": key.split("+")[1]}
    found = verify.verify(data, kept.log.key)
    assert found["mldsa"] == [{**row, "trusted": False}]
    assert "you did not give this key (--mldsa-key), so it counts for nothing" in verify.told(found)
    assert verify.verify(data, kept.log.key, mldsa=key)["mldsa"] == [{**row, "trusted": True}]
    for given in ("", key):
        said = page.answer(data, {"logKey": kept.log.key, "mldsaKey": given}, "SIGNED")["found"]
        assert said["mldsa"] == [{**row, "trusted": bool(given)}]
    assert Retained.objects.count() == 2
    for path in (kept.path.with_suffix(".mldsa"),):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_without_a_second_key_makes_packs_without_waiting(log: Log, tmp_path: Path, settings: Any) -> None:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "none"
    began = time.monotonic()
    assert verify.verify(log.pack(), log.key)["mldsa"] == []
    assert time.monotonic() - began < retained.WAIT_S


def test_an_honest_one_holds_and_its_key_is_asked_for_by_name(page: Engine) -> None:
    made, key = company(1), LongKey(company(1).log.name, MLDSA44PrivateKey.generate())
    data = packed(made, key)
    assert [row["trusted"] for row in said_by_all(page, made, data)["mldsa"]] == [False]
    assert [row["trusted"] for row in said_by_all(page, made, data, key.verifier)["mldsa"]] == [True]
    other = LongKey(made.log.name, MLDSA44PrivateKey.generate())
    assert said_by_all(page, made, data, other.verifier)["verdict"] == "UNDETERMINED"
    bare = verify.zip_bytes(packs.packed(made))
    assert said_by_all(page, made, bare)["mldsa"] == []
    assert said_by_all(page, made, bare, key.verifier)["verdict"] == "UNDETERMINED"


def flipped(at: int) -> Bend:
    """One character of the signature's base64 changed; still base64."""
    return lambda line: line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]


@pytest.mark.parametrize(
    ("how", "bent"),
    [
        ("a byte of the challenge", {"line": flipped(60)}),
        ("a byte in the middle", {"line": flipped(1500)}),
        ("a byte of the hints", {"line": flipped(3200)}),
        ("its time", {"line": flipped(38)}),
        ("shorter", {"line": lambda line: line[:-9] + "\n"}),
        ("twice", {"line": lambda line: line + line}),
        ("another name", {"line": lambda line: line.replace("\u2014 ", "\u2014 x", 1)}),
    ],
)
def test_a_line_that_is_bent_fails_for_all(page: Engine, how: str, bent: dict[str, Bend]) -> None:
    made = company(1)
    key = LongKey(made.log.name, MLDSA44PrivateKey.generate())
    assert said_by_all(page, made, packed(made, key, **bent))["verdict"] in ("FAILED", "MALFORMED"), how


def test_a_line_of_another_tree_or_key_fails_for_all(page: Engine) -> None:
    made, larger = company(1), company(2)
    key, other = (LongKey(made.log.name, MLDSA44PrivateKey.generate()) for _ in range(2))
    foreign = line_for(key, packs.note(larger))
    assert said_by_all(page, made, packed(made, key, line=lambda _: foreign))["verdict"] == "FAILED"
    assert said_by_all(page, made, packed(made, key, named=other.verifier))["verdict"] == "MALFORMED"
    for none in (made.log.verifier, "x", key.verifier[:-4]):
        assert said_by_all(page, made, packed(made, key, named=none))["verdict"] == "MALFORMED"


def test_only_what_the_log_s_own_key_signed_is_signed_again(kept: Kept, tmp_path: Path) -> None:
    kept.log.sequence()
    thief = Sequencer(load_key(tmp_path / "thief", kept.log.sequencer.key.name), tmp_path / "t.published")
    newest = Checkpoint.objects.order_by("-size").first()
    assert newest is not None
    forged = Checkpoint.objects.create(
        size=newest.size + 7,
        root=bytes(32),
        at=now(),
        note=thief.key.sign(f"{thief.key.name}\n{newest.size + 7}\n{'A' * 43}=\n"),
    )
    RetainState.objects.filter(pk=1).update(wished_size=forged.size)
    assert kept.keeps.once(now()) is None
    assert not Retained.objects.exists()


def test_a_line_that_the_database_claims_goes_into_no_pack(kept: Kept) -> None:
    kept.log.sequence()
    newest = Checkpoint.objects.order_by("-size").first()
    assert newest is not None
    own = LongKey(kept.keeps.key.name, MLDSA44PrivateKey.generate())
    Retained.objects.create(checkpoint=newest, line=line_for(own, newest.note), at=now())
    assert verify.verify(kept.log.pack(), kept.log.key)["mldsa"] == []
    with pytest.raises(DatabaseError), transaction.atomic():
        Retained.objects.update(line="")


def test_the_second_key_is_changed_with_the_first(kept: Kept, settings: Any) -> None:
    before, old_key = kept.log.pack(), kept.keeps.key.verifier
    old = kept.log.sequencer.key
    turning.ask(kept.path, old.name, reason="yearly", by="ops")
    kept.log.sequence()
    assert turning.turn(kept.log.sequencer, kept.path, now())
    kept.log.sequencer = Sequencer(load_key(kept.path, old.name), kept.log.sequencer.published)
    again = retaining(kept.path, kept.log.key)
    assert again is not None
    kept.keeps = again
    new_key = again.key.verifier
    assert new_key != old_key
    assert verify.verify(before, old.verifier, mldsa=old_key)["mldsa"][0]["trusted"]
    event = Event.objects.get(kind="log.key_turned")
    assert json.loads(bytes(event.body))["mldsa"] == new_key
    (former,) = settings.OPSPORTAL_PUBLIC_DIR.glob("mldsa.turned-*.pub")
    assert former.read_text().strip() == old_key
    after = kept.log.pack()
    assert verify.verify(after, old.verifier, mldsa=new_key)["mldsa"][0]["trusted"]
    with pytest.raises(verify.Failed, match="no ML-DSA-44 signature"):
        verify.verify(after, old.verifier, mldsa=old_key)
    assert not kept.path.with_suffix(".coming.mldsa").exists()


def test_the_key_is_made_once_and_is_the_same_again(tmp_path: Path) -> None:
    first, again = (load_long(tmp_path / "seed", "x/log") for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.verifier == again.verifier
    assert len(first.verifier) > 1750
