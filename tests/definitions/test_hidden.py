"""Nothing that a reviewer cannot see gets past lint: the attacker writes it everywhere that a file can hold it."""

from __future__ import annotations

import unicodedata

import pytest

from procedures.definitions.lint.texts import hidden
from tests.definitions.bundles import SCRIPT, bundle, codes, lint

BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
ZERO_WIDTH = [0x00AD, 0x034F, 0x180E, 0x200B, 0x200C, 0x200D, *range(0x2060, 0x2065), *range(0x206A, 0x2070), 0xFEFF]
TAGS = [0xE0001, *range(0xE0020, 0xE0080)]
FILLERS = [0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0, 0x17B4, 0x17B5, 0xFE00, 0xE0100, 0xE01EF]
LINES = [0x0B, 0x0C, 0x85, 0x2028, 0x2029]
CONTROLS = [0x00, 0x07, 0x08, 0x1B, 0x7F, 0x9B]
ALL = BIDI + ZERO_WIDTH + TAGS + FILLERS + LINES + CONTROLS


@pytest.mark.parametrize("code", ALL, ids=hex)
def test_each_invisible_character_is_found(code: int) -> None:
    assert hidden(f"a{chr(code)}b") == 1


def test_every_format_and_control_character_of_unicode_is_found_but_number_signs_that_show() -> None:
    missed = {
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in {"Cf", "Zl", "Zp"} and hidden(f"a{chr(code)}b") is None
    }
    assert {unicodedata.name(chr(code)).split()[0] for code in missed} <= {"ARABIC", "SYRIAC", "KAITHI"}


def test_what_can_be_seen_is_left_alone() -> None:
    for text in ("naïve – “quoted”", "日本語", "⚠️ careful", "نص", "a\tb", "printf '\\033[31m'", "line\r"):
        assert hidden(text) is None, text


PLACES = {
    "a script": bundle(one__sh=SCRIPT + "true\u202e\n"),
    "the definition": bundle(("title: Tidy", "title: Ti\u202edy")),
    "a comment of the definition": bundle(("  steps:", "  # \u2066 x\n  steps:")),
    "a title, by YAML's escape": bundle(("title: Tidy", 'title: "Ti\\u202edy"')),
    "a parameter's title, by YAML's escape": bundle(("title: Word", 'title: "Wo\\u200brd"')),
    "a parameter's name, by YAML's escape": bundle(("      word:", '      "wo\\u200brd":')),
    "README": bundle(README__md="Safe.\u200b\n"),
    "a file of a kind that nobody knows": bundle(data__xyz="a\u202eb\n"),
    "a file without an extension": bundle(data="a\u202eb\n"),
    "a script beside a byte that is no UTF-8": bundle(one__sh=SCRIPT.encode() + b"# \xff\ntrue\xe2\x80\xae\n"),
    "a script beside a NUL that makes it look binary": bundle(one__sh=b"#!/bin/sh\n# \x00\ntrue\xe2\x80\xae\n"),
    "a carriage return that hides the start of a line": bundle(one__sh=SCRIPT + "rm -rf /\rtrue      \n"),
    "an escape sequence": bundle(one__sh=SCRIPT + "# \x1b[1A\x1b[2K\n"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_hidden_character_is_an_error_wherever_it_stands(place: str) -> None:
    found = [f for f in lint(PLACES[place]) if f.code == "hidden-character"]
    assert found
    assert {f.severity for f in found} == {"error"}


def test_pictures_and_other_binary_files_are_no_text() -> None:
    assert codes(bundle(logo__png=b"\x89PNG\r\n\x1a\n\x00\x00\xe2\x80\xae")) == []


@pytest.mark.parametrize("name", ["a\u202eb.sh", "a\nb.txt", "a\x1b[2K.txt", "\u200bREADME.md", "a\u2028b"])
def test_a_file_name_that_hides_something_is_an_error_and_is_shown_escaped(name: str) -> None:
    found = [f for f in lint({**bundle(), name: b"x"}) if f.code == "hidden-name"]
    assert [f.severity for f in found] == ["error"]
    assert hidden(found[0].file) is None
    assert "\n" not in found[0].file
