"""A pack whose log witnesses cosigned: WITNESSED for whoever knows their keys, and no byte of it can be changed."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from procedures.domain.canonical import canon, sha256_hex
from procedures.domain.clock import now
from procedures.evidence import export, verify
from procedures.evidence.check import check
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.models import Checkpoint, Cosignature, WitnessContact
from procedures.evidence.notes import split_note
from procedures.evidence.record import record
from procedures.evidence.verify import Failed, Policy
from tests.evidence.conftest import Log
from tests.evidence.test_packs import flipped

pytestmark = pytest.mark.ordinary
ONE, TWO, STRANGER = (
    CosigningKey(f"{name}.example/w", Ed25519PrivateKey.from_private_bytes(name[0].encode() * 32))
    for name in ("one", "two", "stranger")
)
KEYS = [ONE.verifier.text, TWO.verifier.text]
AT_S = 1_700_000_000


class Witnessed(Log):
    """A log whose newest checkpoint each of `witnesses` cosigned."""

    witnesses: tuple[CosigningKey, ...] = (ONE, TWO)

    def sequence(self) -> None:
        Log.sequence(self)
        last = Checkpoint.objects.order_by("-size")[0]
        text = split_note(last.note)[0]
        for one in self.witnesses:
            key, line = one.verifier.text, one.cosign(text, AT_S).text
            at = Cosignature(checkpoint=last, witness=key, line=line, at=moment())
            Cosignature.objects.bulk_create([at], ignore_conflicts=True)
            WitnessContact.objects.update_or_create(pk=key, defaults={"size": last.size, "cosigned_at": now()})


def moment() -> datetime:
    return datetime.fromtimestamp(AT_S, UTC)


@pytest.fixture
def cosigned(log: Log, tmp_path: Path, settings: Any) -> Witnessed:
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path / "public"
    settings.OPSPORTAL_PUBLIC_DIR.mkdir()
    lines = [f"witness w{n} {key}" for n, key in enumerate(KEYS)]
    (tmp_path / "public" / "witnesses").write_text("\n".join([*lines, "group g 1 w0 w1", "quorum g", ""]))
    return Witnessed(log.world, log.sequencer, log.run)


def level(data: bytes, log: Log, *keys: str, quorum: int | None = None, require: str = "SIGNED") -> str:
    policy = Policy.of_keys(keys, len(keys) if quorum is None else quorum) if keys else None
    return str(verify.verify(data, log.key, require, policy)["verdict"])


def test_the_level_is_what_the_reader_s_own_witnesses_say(cosigned: Witnessed, tmp_path: Path) -> None:
    data = cosigned.pack()
    assert level(data, cosigned) == "SIGNED", "keys that only the pack names count for nothing"
    assert level(data, cosigned, KEYS[0]) == level(data, cosigned, *KEYS) == "WITNESSED"
    assert level(data, cosigned, KEYS[0], STRANGER.verifier.text) == "SIGNED"
    assert level(data, cosigned, KEYS[0], STRANGER.verifier.text, quorum=1) == "WITNESSED"
    found = verify.verify(data, cosigned.key, "WITNESSED", Policy.of_keys(KEYS[:1], 1))
    assert [(row["name"], row["trusted"]) for row in found["witnesses"]] == [
        ("one.example/w", True),
        ("two.example/w", False),
    ]
    told = verify.told(found)
    assert "Cosigned by one.example/w at 2023-11-14 22:13:20 UTC.\n" in told
    assert "Cosigned by two.example/w at 2023-11-14 22:13:20 UTC; you did not give this key" in told
    assert verify.UNWITNESSED not in told
    assert verify.UNWITNESSED in verify.told(verify.verify(data, cosigned.key))
    readme = verify.unzip(data)["README.txt"].decode()
    assert f"Witness: {KEYS[1]}" in readme
    assert verify.UNWITNESSED not in readme


def test_the_one_file_says_it_by_its_exit_status(cosigned: Witnessed, log: Log, tmp_path: Path) -> None:
    pack, plain = tmp_path / "pack.zip", tmp_path / "plain.zip"
    pack.write_bytes(cosigned.pack())
    (tmp_path / "public" / "witnesses").unlink()
    plain.write_bytes(log.pack())
    policy = tmp_path / "policy"
    policy.write_text(f"log {cosigned.key}\nwitness a {KEYS[0]}\nwitness b {KEYS[1]}\ngroup g all a b\nquorum g\n")

    def run(path: Path, *words: str) -> tuple[int, str]:
        argv = [sys.executable, "-I", "-S", verify.__file__, str(path), *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    own, first = ("--log-key", cosigned.key), ("--witness-key", KEYS[0])
    must = ("--require", "WITNESSED")
    assert run(pack, *own, *first, *must) == (0, "verdict: WITNESSED")
    assert run(pack, "--policy", str(policy), *must) == (0, "verdict: WITNESSED")
    assert run(pack, *own, *must) == (3, "verdict: UNDETERMINED")
    assert run(pack, *own, *first, "--witness-key", STRANGER.verifier.text, *must) == (3, "verdict: UNDETERMINED")
    assert run(plain, *own, *first) == (0, "verdict: SIGNED")
    assert run(plain, *own, *first, *must) == (3, "verdict: UNDETERMINED")
    assert run(pack, *own, *first, "--quorum", "2")[0] == 64
    changed = bytearray(pack.read_bytes())
    place = changed.index(ONE.name.encode(), changed.index(b"log/checkpoint.end"))
    changed[place] ^= 1
    pack.write_bytes(bytes(changed))
    assert run(pack, *own, *first, *must) == (2, "verdict: MALFORMED")


def test_each_byte_flipped_once_is_found_and_named(cosigned: Witnessed) -> None:
    """Every byte of what is new, and each 16th of the rest."""
    data, policy = cosigned.pack(), Policy.of_keys(KEYS, 2)
    members = verify.unzip(data)
    new: set[int] = set()
    for name in ("log/checkpoint.end", "export.tlog-proof", "manifest.json"):
        start = data.index(members[name])
        new |= set(range(start, start + len(members[name])))
    survivors = []
    for place in flipped(data):
        if place not in new and place % 16:
            continue
        changed = bytearray(data)
        changed[place] ^= 0x01
        try:
            verify.verify(bytes(changed), cosigned.key, "WITNESSED", policy)
        except Failed as problem:
            if problem.code in (1, 2) and problem.member:
                continue
        survivors.append(place)
    assert survivors == []


def again(cosigned: Witnessed, members: dict[str, bytes], **said: Any) -> bytes:
    """The members with every digest repaired, and the manifest honestly logged and cosigned once more."""
    manifest = json.loads(members["manifest.json"]) | said
    manifest["files"] = {
        n: sha256_hex(d) for n, d in members.items() if n not in ("manifest.json", "export.tlog-proof")
    }
    new = {**members, "manifest.json": canon(manifest)}
    facts = {name: manifest[name] for name in ("range", "filter", "exporter", "software")}
    facts["manifest"] = sha256_hex(new["manifest.json"])
    at = datetime.strptime(manifest["made_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    with transaction.atomic():
        event = record("export.made", actor=cosigned.world.mira.subject, at=at, facts=facts)
    cosigned.sequence()
    new["export.tlog-proof"] = export._proof(event)
    return verify.zip_bytes(new)


def outcome(data: bytes, cosigned: Witnessed) -> str:
    try:
        return level(data, cosigned, *KEYS)
    except Failed as problem:
        return f"{problem.code} {problem.member}"


def test_altered_lines_that_are_honestly_logged_again_never_reach_more_than_they_prove(cosigned: Witnessed) -> None:
    members = verify.unzip(cosigned.pack())
    end = members["log/checkpoint.end"].decode()
    assert outcome(again(cosigned, members), cosigned) == "WITNESSED"
    text, lines = split_note(end)
    own, one, two = (line.text for line in lines)

    def with_end(*rows: str, of: str = text, **said: Any) -> str:
        changed = {**members, "log/checkpoint.end": (of + "\n" + "".join(rows)).encode()}
        return outcome(again(cosigned, changed, **said), cosigned)

    other_time = ONE.cosign(text, 5).text
    raw = base64.b64decode(one.split()[-1])
    moved = base64.b64encode(raw[:4] + (5).to_bytes(8, "big") + raw[12:]).decode()
    stranger = STRANGER.cosign(text, AT_S).text
    malformed, failed = "2 log/checkpoint.end", "1 log/checkpoint.end"
    assert with_end(own, one) == with_end(own) == "SIGNED", "one of two, and none: told as less"
    assert with_end(own, two, one) == with_end(own, other_time, two) == "WITNESSED", "both are true"
    assert with_end(own, one, f"\u2014 {ONE.name} {moved}\n") == malformed, "twice"
    assert with_end(own, two, f"\u2014 {ONE.name} {moved}\n") == failed, "back-dated"
    assert with_end(one, two) == with_end(one, own, two) == malformed, "the log's own line is first"
    assert with_end(own, one, two, stranger) == malformed
    named = sorted([*KEYS, STRANGER.verifier.text])
    assert with_end(own, one, two, stranger, witnesses=named) == "WITNESSED", "a true line of a named stranger"
    assert with_end(own, one, two, stranger[:-3] + "A\n", witnesses=named) == malformed
    assert with_end(own, one, two, STRANGER.cosign(text + "x\n", AT_S).text, witnesses=named) == failed
    for bad in (["x"], named[::-1], "x", None):
        assert with_end(own, one, two, witnesses=bad) == "2 manifest.json"
    earlier = Checkpoint.objects.order_by("-size")[1]
    assert with_end(own, one, two, of=split_note(earlier.note)[0]) in {failed, malformed}
    whole = own + one + two
    for place in range(0, len(whole), 3):
        changed = whole[:place] + chr(ord(whole[place]) ^ 1) + whole[place + 1 :]
        assert with_end(changed) in {malformed, failed}, place


def test_the_proof_s_own_lines_count_byte_by_byte(cosigned: Witnessed) -> None:
    """No digest in the pack covers the proof itself; each change is found all the same."""
    members = verify.unzip(cosigned.pack())
    name = "export.tlog-proof"
    whole, said = members[name], json.loads(members["manifest.json"])
    pack = verify.Pack(io.BytesIO(verify.zip_bytes(members)))
    assert set(verify.check_proof(pack, said, cosigned.key, KEYS)) == set(KEYS)
    note = whole.index(b"\n\n")
    for place in (*range(0, note, 16), *range(note, len(whole), 2)):
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        pack = verify.Pack(io.BytesIO(verify.zip_bytes({**members, name: changed})))
        with pytest.raises(Failed):
            verify.check_proof(pack, said, cosigned.key, KEYS)
    fewer = b"".join(whole.splitlines(keepends=True)[:-1])
    assert level(verify.zip_bytes({**members, name: fewer}), cosigned, *KEYS) == "SIGNED"
    assert level(verify.zip_bytes({**members, name: fewer}), cosigned, KEYS[0]) == "WITNESSED"


def test_attack_11_a_fork_made_for_the_auditor_carries_no_cosignature(cosigned: Witnessed) -> None:
    """Whoever holds the log's key rewrites it for the auditor: the lines that the witness gave are of another tree."""
    shown = verify.unzip(cosigned.pack())
    text, lines = split_note(shown["log/checkpoint.end"].decode())
    origin, size, *_ = text.split("\n")
    leaves = [verify.leaf(line) for line in shown["log/headers.jsonl"].split(b"\n")[:-1]]
    forged = verify.root_of([*leaves[:-1], verify.leaf(b"rewritten")])
    fork = cosigned.sequencer.key.sign(f"{origin}\n{size}\n{base64.b64encode(forged).decode()}\n")
    with pytest.raises(Failed, match="the cosignature of one"):
        verify.open_note("x", fork + "".join(line.text for line in lines[1:]), cosigned.key, KEYS)
    with pytest.raises(Failed, match="does not give the root"):
        level(again(cosigned, {**shown, "log/checkpoint.end": fork.encode()}), cosigned, *KEYS)


def test_a_row_that_sql_wrote_reaches_no_pack_and_is_told(cosigned: Witnessed) -> None:
    cosigned.witnesses = (ONE,)  # type: ignore[misc]
    cosigned.sequence()
    last = Checkpoint.objects.order_by("-size")[0]
    forged = STRANGER.cosign(split_note(last.note)[0], AT_S).text.replace(STRANGER.name, TWO.name)
    Cosignature.objects.create(checkpoint=last, witness=KEYS[1], line=forged, at=moment())
    assert check() == [f"A cosignature of two.example/w over {last.size} events does not hold."]
    data = cosigned.pack()
    assert level(data, cosigned, KEYS[0]) == "WITNESSED"
    assert level(data, cosigned, *KEYS) == "SIGNED"


def test_an_export_waits_for_a_witness_that_answers_and_for_no_other(
    cosigned: Witnessed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "WITNESS_WAIT_S", 2.0)
    cosigned.witnesses = ()  # type: ignore[misc]
    took, data = timed(cosigned.pack)
    assert took < 2, "none was ever heard of"
    assert level(data, cosigned, *KEYS) == "SIGNED"
    assert verify.UNWITNESSED in verify.unzip(data)["README.txt"].decode()
    WitnessContact.objects.create(witness=KEYS[0], size=1, cosigned_at=now())
    took, data = timed(cosigned.pack)
    assert 4 < took < 8, "twice two seconds: for the headers, and for the proof of the manifest"
    assert level(data, cosigned, *KEYS) == "SIGNED"
    WitnessContact.objects.update(problem="w0 does not answer.")
    assert timed(cosigned.pack)[0] < 2


def timed(pack: Callable[[], bytes]) -> tuple[float, bytes]:
    begun = time.monotonic()
    data = pack()
    return time.monotonic() - begun, data
