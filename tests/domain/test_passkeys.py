"""A passkey's answer counts for one statement, one origin and one person who was there and verified; nothing else does.

Each case is tried on the domain's judgement and on that of verify.py, which share no code: they must agree.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from procedures.domain import cose, passkeys
from procedures.evidence import verify
from tests.factories.passkeys import ALGORITHMS, PRESENT, VERIFIED, SoftPasskey, text

STATEMENT = b'{"run":"1","verdict":"approve"}'
PERSON = "0193aaaa-0000-7000-8000-000000000001"

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@cache
def soft(algorithm: str = "ES256") -> SoftPasskey:
    return SoftPasskey(algorithm, origin="http://localhost:8000")


def judged(row: dict[str, str], statement: bytes, key: dict[str, Any]) -> bool:
    """Both judges' common answer."""
    try:
        passkeys.check(row, statement, key)
        mine = True
    except passkeys.AssertionRefused:
        mine = False
    assert verify.passkey(row, statement, key) is mine
    return mine


@every_algorithm
def test_an_answer_over_this_very_statement_counts(algorithm: str) -> None:
    key = soft(algorithm)
    assert judged(key.row(PERSON, STATEMENT), STATEMENT, key.object(PERSON))


@every_algorithm
def test_an_answer_over_another_statement_does_not(algorithm: str) -> None:
    key = soft(algorithm)
    assert not judged(key.row(PERSON, STATEMENT), STATEMENT + b" ", key.object(PERSON))


TWISTS: dict[str, dict[str, Any]] = {
    "nobody present": {"flags": VERIFIED},
    "nobody verified": {"flags": PRESENT},
    "attested data said": {"flags": PRESENT | VERIFIED | 0x40},
    "extensions said": {"flags": PRESENT | VERIFIED | 0x80},
    "another relying party": {"rp": "evil.example"},
    "bytes left over": {"extra": b"\x00"},
    "a foreign origin": {"origin": "http://localhost:9999"},
    "an origin in other letters": {"origin": "http://LOCALHOST:8000"},
    "another ceremony": {"type": "webauthn.create"},
    "no ceremony": {"type": None},
    "inside a frame": {"crossOrigin": True},
    "frame said by a number": {"crossOrigin": 0},
    "another challenge": {"challenge": passkeys.challenge_of(b"another")},
    "a padded challenge": {"challenge": passkeys.challenge_of(STATEMENT) + "="},
    "no challenge": {"challenge": None},
}


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)
def test_a_well_signed_answer_that_says_something_else_is_refused(twist: dict[str, Any]) -> None:
    assert not judged(soft().row(PERSON, STATEMENT, **twist), STATEMENT, soft().object(PERSON))


@pytest.mark.parametrize("flags", [0x05, 0x0D, 0x1D])
def test_backed_up_passkeys_count_like_others(flags: int) -> None:
    assert judged(soft().row(PERSON, STATEMENT, flags=flags), STATEMENT, soft().object(PERSON))


def test_what_browsers_add_to_the_client_data_does_no_harm() -> None:
    row = soft().row(PERSON, STATEMENT, other_keys_can_be_added_here="do not compare against a template")
    assert judged(row, STATEMENT, soft().object(PERSON))


CHANGES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "credential": lambda row: {"credential": "AAAA"},
    "signature": lambda row: {"sig": text(b"\x30\x06\x02\x01\x01\x02\x01\x01")},
    "counter": lambda row: {"authenticator_data": text(base64.b64decode(row["authenticator_data"])[:-1] + b"\x09")},
    "shorter": lambda row: {"authenticator_data": text(base64.b64decode(row["authenticator_data"])[:-1])},
    "not base64": lambda row: {"authenticator_data": "%%%"},
    "absent": lambda row: {"client_data": ""},
    "blank added": lambda row: {"client_data": text(base64.b64decode(row["client_data"]) + b" ")},
    "not an object": lambda row: {"client_data": text(b"[]")},
    "too deep": lambda row: {"client_data": text(b"[" * 200_000)},
    "not UTF-8": lambda row: {"client_data": text(b"\xff\xfe{}")},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_answer_is_refused(change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    row = soft().row(PERSON, STATEMENT)
    assert not judged({**row, **change(row)}, STATEMENT, soft().object(PERSON))


def test_a_name_that_stands_twice_in_the_client_data_is_refused() -> None:
    key, row = soft(), soft().row(PERSON, STATEMENT)
    client = base64.b64decode(row["client_data"])
    doubled = client[:-1] + b', "origin": ' + json.dumps(key.origin).encode() + b"}"
    signature = key.sign(base64.b64decode(row["authenticator_data"]) + sha256(doubled).digest())
    assert not judged({**row, "client_data": text(doubled), "sig": text(signature)}, STATEMENT, key.object(PERSON))


@every_algorithm
def test_a_key_that_is_called_by_another_algorithm_is_refused(algorithm: str) -> None:
    key = soft(algorithm)
    other = next(name for name in ALGORITHMS if name != algorithm)
    assert not judged(key.row(PERSON, STATEMENT), STATEMENT, {**key.object(PERSON), "algorithm": other})


def test_another_persons_key_does_not_verify_it() -> None:
    other = {**SoftPasskey().object(PERSON), "credential": soft().credential}
    assert not judged(soft().row(PERSON, STATEMENT), STATEMENT, other)


@every_algorithm
def test_every_single_byte_of_the_stored_key_matters(algorithm: str) -> None:
    key = soft(algorithm)
    row, enrolled = key.row(PERSON, STATEMENT), key.object(PERSON)
    public = base64.b64decode(enrolled["public"])
    for place in range(len(public)):
        changed = bytearray(public)
        changed[place] ^= 0x01
        assert not judged(row, STATEMENT, {**enrolled, "public": text(bytes(changed))}), place
    for other in (public[:-1], public + b"\x00", b"", public[1:]):
        assert not judged(row, STATEMENT, {**enrolled, "public": text(other)})


@every_algorithm
def test_a_key_has_one_stored_form(algorithm: str) -> None:
    key = soft(algorithm)
    stored = cose.encoded(key.key_map)
    assert cose.decoded(stored)[0] == algorithm
    assert cose.encoded({**key.key_map, 2: b"id", 4: [1]}) == stored, "what else a COSE key says is not kept"


MAPS: dict[str, dict[int, Any]] = {
    "P-384": {1: 2, 3: -35, -1: 2, -2: b"x" * 48, -3: b"y" * 48},
    "a point off the curve": {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: b"\x02" * 32},
    "a compressed point": {1: 2, 3: -7, -1: 1, -2: b"\x01" * 32, -3: True},
    "P-256 called by another curve": {1: 2, 3: -7, -1: 8, -2: b"\x01" * 32, -3: b"\x02" * 32},
    "RSA of 1,024 bits": {1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\x01\x00\x01"},
    "RSA with exponent one": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x01"},
    "RSA with an even exponent": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x02"},
    "RSA with a giant exponent": {1: 3, 3: -257, -1: b"\xff" * 256, -2: b"\x01" * 9},
    "a short Ed25519 key": {1: 1, 3: -8, -1: 6, -2: b"\x01" * 31},
    "no algorithm": {1: 2, -1: 1},
}


@pytest.mark.parametrize("made", MAPS.values(), ids=MAPS)
def test_other_keys_are_not_taken(made: dict[int, Any]) -> None:
    with pytest.raises(cose.KeyNotTaken):
        cose.encoded(made)


@pytest.mark.parametrize(
    ("origin", "party"),
    [
        ("http://localhost:8000", "localhost"),
        ("http://portal.localhost", "portal.localhost"),
        ("https://Ops.Example.com", "ops.example.com"),
        ("https://ops.example.com:8443", "ops.example.com"),
        ("http://ops.example.com", None),
        ("http://127.0.0.1:8000", None),
        ("https://127.0.0.1", None),
        ("https://[::1]:8000", None),
    ],
)
def test_passkeys_need_https_or_localhost_and_a_name(origin: str, party: str | None) -> None:
    assert passkeys.party_of(origin) == party


def test_an_origin_is_compared_as_browsers_write_it() -> None:
    assert passkeys.origin_of("https://Ops.Example.com:443") == "https://ops.example.com"
    assert passkeys.origin_of("http://localhost:8000") == "http://localhost:8000"


@pytest.mark.parametrize("encoded", ["AB", "A", "AA==", "A A", "AA+/", "é"])
def test_base64url_has_one_form(encoded: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padded|ASCII|form|character|data"):
        passkeys.from_websafe(encoded)
