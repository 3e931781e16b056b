"""Whom a reader of a pack trusts: verifier keys, tlog-policy files, and the notes that they open."""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from procedures.evidence import verify
from procedures.evidence.cosigning import CosigningKey
from procedures.evidence.notes import COSIGNATURE, ED25519, LogKey, checkpoint_text, verifier_text
from procedures.evidence.verify import Failed, Policy

LOG = LogKey("ops.example/evidence/log", Ed25519PrivateKey.from_private_bytes(b"L" * 32))
COSIGNERS = [
    CosigningKey(f"{name}.example/w", Ed25519PrivateKey.from_private_bytes(name.encode() * 32)) for name in "abcdef"
]
KEYS = [one.verifier.text for one in COSIGNERS]
TEXT = checkpoint_text(LOG.name, 7, b"r" * 32)
# The shape of the example in tlog-policy: two organisations, both needed.
TWO_LEVELS = "\n".join(
    [
        f"log {LOG.verifier}",
        "# three of ours",
        *(f"witness X{n} {KEYS[n]} https://w.example" for n in range(3)),
        "group X-witnesses 2 X0 X1 X2",
        "",
        *(f"\twitness  Y{n} {KEYS[n + 3]}  " for n in range(3)),
        "group Y-witnesses any Y0 Y1 Y2",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    ]
)


def note(*cosigners: CosigningKey, at_s: int = 1_700_000_000) -> str:
    return LOG.sign(TEXT) + "".join(one.cosign(TEXT, at_s).text for one in cosigners)


def test_a_policy_of_two_levels_is_met_as_it_says() -> None:
    policy = Policy.read(TWO_LEVELS.encode())
    assert (policy.logs, policy.urls["X1"]) == ([LOG.verifier], "https://w.example")
    for picked in itertools.product([False, True], repeat=6):
        have = {key for key, mine in zip(KEYS, picked, strict=True) if mine}
        assert policy.met(have) == (sum(picked[:3]) >= 2 and any(picked[3:]))


@given(st.integers(1, 6), st.data())
def test_any_so_many_keys_are_a_quorum(count: int, data: st.DataObject) -> None:
    quorum = data.draw(st.integers(1, count))
    policy = Policy.of_keys(KEYS[:count], quorum)
    have = data.draw(st.sets(st.sampled_from(KEYS)))
    assert policy.met(have) == (len(have & set(KEYS[:count])) >= quorum)


def test_a_quorum_of_none_is_no_witness() -> None:
    assert not Policy.read(f"witness a {KEYS[0]}\nquorum none\n".encode()).met(KEYS)
    assert not Policy().met(KEYS)
    assert Policy.read(f"witness a {KEYS[0]}\nquorum a\n".encode()).met(KEYS)
    assert Policy.read(f"witness \xe4 {KEYS[0]}\nquorum \xe4\n".encode("latin-1")).met(KEYS), "names are octets"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no quorum line"),
        (f"witness a {KEYS[0]}\nquorum a", "no end"),
        (f"witness a {KEYS[0]}\r\nquorum a\n", "control character"),
        (f"witness a {KEYS[0]}\nquorum b\n", "line 2 of the policy: 'b' is not defined"),
        (f"quorum a\nwitness a {KEYS[0]}\n", "line 1"),
        (f"witness a {KEYS[0]}\nquorum a\nquorum a\n", "exactly one quorum"),
        (f"witness none {KEYS[0]}\nquorum none\n", "'none' is taken"),
        (f"witness a {KEYS[0]}\nwitness a {KEYS[1]}\nquorum a\n", "line 2 of the policy: the name 'a' is taken"),
        (f"witness a {KEYS[0]}\nwitness b {KEYS[0]}\nquorum a\n", "stands twice"),
        (f"witness a {LOG.verifier}\nquorum a\n", "a log's"),
        (f"log {KEYS[0]}\nquorum none\n", "a witness's"),
        (f"log {LOG.verifier}\nlog {LOG.verifier}\nquorum none\n", "stands twice"),
        (f"witness a {KEYS[0][:-4]}\nquorum a\n", "line 1"),
        (f"witness a {KEYS[0]}\ngroup g 2 a\nquorum g\n", "2 of 1 members"),
        (f"witness a {KEYS[0]}\ngroup g 0 a\nquorum g\n", "0 of 1 members"),
        (f"witness a {KEYS[0]}\ngroup g most a\nquorum g\n", "no number"),
        (f"witness a {KEYS[0]}\ngroup g any a a\nquorum g\n", "a member already"),
        (f"witness a {KEYS[0]}\ngroup g any a\ngroup h any a g\nquorum h\n", "a member already"),
        (f"witness a {KEYS[0]}\ngroup g any g\nquorum g\n", "not defined above"),
        (f"witness a {KEYS[0]}\ngroup g any\nquorum g\n", "expected"),
        ("wtiness a b\n", "expected"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_by_its_line(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Policy.read(text.encode())


def test_a_renamed_key_of_one_witness_counts_once() -> None:
    """tlog-policy: keys are the same if their bytes are, whatever name they go by."""
    again = verifier_text("other.example/w", COSIGNERS[0].verifier.raw, COSIGNATURE)
    with pytest.raises(ValueError, match="stands twice"):
        Policy.of_keys([KEYS[0], again], 2)


def test_cosignatures_count_by_key_and_each_line_must_hold() -> None:
    a, b = COSIGNERS[:2]
    assert verify.open_note("x", note(), LOG.verifier, [])[3] == {}
    found = verify.open_note("x", note(a, b), LOG.verifier, KEYS[:2])
    assert found == (LOG.name, 7, b"r" * 32, {KEYS[0]: 1_700_000_000, KEYS[1]: 1_700_000_000})
    own = LOG.sign(TEXT).rpartition("\n\n")[2]
    other = CosigningKey(a.name, Ed25519PrivateKey.from_private_bytes(b"q" * 32))
    for bad, known, code in [
        (note(a), [], 2),
        (note(a), KEYS[1:], 2),
        (note(a, a), KEYS, 2),
        (note(other), KEYS, 2),
        (note() + own, [*KEYS, LOG.verifier], 2),
        (note(a).replace(own, "") + own, KEYS, 2),
        (note(a) + "\n", KEYS, 2),
        (note(a)[:-1], KEYS, 2),
        (LOG.sign(TEXT) + b.cosign(TEXT.replace("\n7\n", "\n8\n"), 5).text, KEYS, 1),
        (note(a, at_s=2**62), KEYS, 1),
        (LOG.sign(TEXT) + f"\u2014 {a.name} {own.split()[-1]}\n", KEYS, 2),
    ]:
        with pytest.raises(Failed) as caught:
            verify.open_note("x", bad, LOG.verifier, known)
        assert caught.value.code == code, bad


def test_each_byte_of_a_cosigned_note_counts() -> None:
    whole = note(*COSIGNERS[:2]).encode()
    for place, bit in itertools.product(range(len(whole)), (1, 0x20)):
        changed = bytearray(whole)
        changed[place] ^= bit
        with pytest.raises(Failed):
            verify.open_note("x", bytes(changed).decode("utf-8", "replace"), LOG.verifier, KEYS)


def test_a_log_s_own_signature_is_no_cosignature_even_by_the_same_bytes() -> None:
    """Whoever holds the log's key hands its bytes over as a witness's."""
    own = verifier_text("w.example", LOG.raw, COSIGNATURE)
    with pytest.raises(ValueError, match="the log's own"):
        trusted(log_key=LOG.verifier, witness_key=[own])
    line = CosigningKey("w.example", LOG.private).cosign(TEXT, 5)
    assert verify.ed25519(LOG.raw, TEXT.encode(), line.signature[8:]) is False


def trusted(**words: Any) -> tuple[str | None, Policy]:
    blank: dict[str, Any] = dict.fromkeys(("log_key", "witness_key", "quorum", "policy"))
    return verify.trust(argparse.Namespace(**(blank | words)))


def test_keys_come_as_text_or_files_and_a_policy_alone(tmp_path: Path) -> None:
    file, policy = tmp_path / "w.pub", tmp_path / "policy"
    file.write_text(KEYS[0] + "\n")
    policy.write_text(TWO_LEVELS)
    key, found = trusted(log_key=LOG.verifier, witness_key=[str(file), KEYS[1]])
    assert (key, found.met(KEYS[:1]), found.met(KEYS[:2])) == (LOG.verifier, False, True), "all of them by default"
    assert trusted(log_key=LOG.verifier, witness_key=KEYS[:2], quorum=1)[1].met(KEYS[:1])
    assert trusted(policy=str(policy))[0] == LOG.verifier, "the policy names the log too"
    for words, why in [
        ({"policy": str(policy), "witness_key": KEYS[:1]}, "give it alone"),
        ({"policy": str(policy), "quorum": 1}, "give it alone"),
        ({"log_key": KEYS[0]}, "not of type 01"),
        ({"log_key": LOG.verifier + "x"}, "Invalid|no key|padding|base64"),
        ({"log_key": LOG.verifier, "witness_key": KEYS[:2], "quorum": 3}, "3 of 2 members"),
        ({"log_key": LOG.verifier, "witness_key": [LOG.verifier]}, "a log's"),
    ]:
        with pytest.raises(ValueError, match=why):
            trusted(**words)
    words = [sys.executable, "-I", "-S", verify.__file__, str(file), "--log-key", LOG.verifier, "--witness-key", "a+b"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1].split(":")[0]) == (64, "cannot begin")


@pytest.mark.parametrize(
    "named",
    [["x"], [LOG.verifier], [KEYS[0], KEYS[0]], sorted(KEYS[:2], reverse=True), KEYS[0], {KEYS[0]: 1}, [7], None],
)
def test_a_pack_that_names_witnesses_in_another_form_is_malformed(named: Collection[str]) -> None:
    with pytest.raises(Failed) as caught:
        verify.named_witnesses({"witnesses": named})
    assert caught.value.code == 2
    assert verify.named_witnesses({"witnesses": sorted(KEYS)}) == sorted(KEYS)
    assert ED25519 != COSIGNATURE
