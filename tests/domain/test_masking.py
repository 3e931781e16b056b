"""The mask: the same however the stream is cut, and nothing of a secret in any form it knows."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.domain import canary, encodings, masking
from procedures.domain.masking import Masker, self_test
from procedures.domain.secrets import Secret

SECRET = "p&ss w0rd/+'\"ü-9f8e7d6c"
ROOT = Path(__file__).parents[2]
ALPHABET = st.sampled_from([b"a", b"b", b"ab", b"c", b"ba"])


def masker(*secrets: bytes) -> Masker:
    made = Masker()
    for secret in secrets:
        made.register(Secret(secret))
    return made


@given(
    st.lists(st.lists(ALPHABET, min_size=3, max_size=6).map(b"".join), min_size=1, max_size=3),
    st.lists(st.lists(ALPHABET, max_size=6).map(b"".join), max_size=12),
)
def test_any_chunking_equals_the_whole(secrets: list[bytes], chunks: list[bytes]) -> None:
    one, many = masker(*secrets), masker(*secrets)
    whole = one.feed("x", b"".join(chunks)) + one.flush("x")
    parts = b"".join(many.feed("x", chunk) for chunk in chunks) + many.flush("x")
    assert parts == whole
    assert one.masked_bytes == many.masked_bytes
    assert not any(secret in whole for secret in secrets)


FORMS = {
    "raw": SECRET,
    "json": json.dumps(SECRET)[1:-1],
    "url": urllib.parse.quote(SECRET),
    "plus": urllib.parse.quote_plus(SECRET),
    "hex": SECRET.encode().hex(),
    "HEX": SECRET.encode().hex().upper(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 inside": base64.b64encode(b"user:" + SECRET.encode() + b":x").decode(),
    "base64url": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "utf-16": base64.b64encode(SECRET.encode("utf-16-le")).decode(),
    "shell": shlex.quote(SECRET),
    "sql": SECRET.replace("'", "''"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_masked_and_without_the_mask_it_shows(form: str) -> None:
    text = f"before {FORMS[form]} after"
    shown = masker(SECRET.encode()).mask_text(text)
    assert "***" in shown
    assert FORMS[form] not in shown
    assert Masker().mask_text(text) == text


def test_streams_are_kept_apart() -> None:
    made = masker(b"abcdef")
    assert made.feed("a", b"abc") + made.feed("b", b"def") + made.flush("a") + made.flush("b") == b"defabc"


def test_the_self_test_passes_here() -> None:
    assert self_test() == []


@pytest.mark.parametrize("name", canary.encodings(canary.CANARY))
def test_the_self_test_names_the_encoding_that_comes_through(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mask that lost the patterns of one encoding; those that hold the same bytes are named with it."""
    core = canary.core(name, canary.encodings(canary.CANARY)[name])

    def lost(form: bytes) -> bool:
        return core not in form and form not in core

    monkeypatch.setattr(masking, "forms", lambda secret: set(filter(lost, encodings.forms(secret))))
    assert name in self_test()


def test_a_mask_that_breaks_withholds_the_chunk_and_counts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = masker(b"abcdef-secret")
    monkeypatch.setattr(Masker, "_hold", lambda self, data: 1 // 0)
    assert made.feed("a", b"abcdef-secret") == masking.WITHHELD
    assert (made.withheld_bytes, self_test() != []) == (13, True)


def test_the_keys_of_a_long_run_take_little_memory() -> None:
    """A hundred keys of 400 bytes, each in all its forms: 200 MB where each has a table of its own."""
    code = (
        "import os, re\n"
        "from procedures.domain.masking import Masker\n"
        "from procedures.domain.secrets import Secret\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "kept = [Masker() for _ in range(100)]\n"
        "for one in kept: one.register(Secret(os.urandom(290).hex().encode()))\n"
        "print(peak() - before)\n"
    )
    run = [sys.executable, "-c", code]
    said = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(said.stdout) < 80_000, "kilobytes"
