"""What others wrote never steers the terminal of whoever reads it (H29)."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from opsportal.cli.terminal import Shown, told_json
from tests.web.hostile import PAYLOADS

STEERING = (
    *PAYLOADS,
    "\x1b]52;c;b3duZWQ=\x07",
    "\x1b[8mhidden\x1b[0m",
    "\x1b[1;8;31mhidden",
    "\x9b31m",
    "\x1bP+q\x1b\\",
    "a\rb",
    "a\x08\x08b",
    "\x7f",
    "\u2028x\u2029",
    "\U000e0041",
)
OBEYED = set(map(chr, range(32))) - {"\n", "\t"} | {"\x7f"} | set(map(chr, range(0x80, 0xA0)))
HIDING = {"\u202e", "\u2066", "\u200b", "\u2028", "\u2029", "\U000e0041"}


def shown(text: str) -> str:
    stream = io.StringIO()
    Shown(stream).write(text)
    return stream.getvalue()


@pytest.mark.parametrize("text", STEERING)
def test_no_control_or_hiding_character_reaches_the_terminal(text: str) -> None:
    assert not (OBEYED | HIDING) & set(shown(text).replace("\x1b[0m", ""))


def test_letters_and_colours_pass() -> None:
    assert shown("Zoë 日本 \x1b[1;31mred\x1b[0m\tx\n") == "Zoë 日本 \x1b[1;31mred\x1b[0m\tx\n"


@pytest.mark.parametrize("text", STEERING)
def test_json_keeps_its_value_and_steers_nothing(text: str) -> None:
    told = told_json({"text": text, "ü": 1})
    assert json.loads(told) == {"text": text, "ü": 1}
    assert "ü" in told
    assert not (OBEYED | HIDING) & set(told)


def test_the_command_line_goes_through_it() -> None:
    """A folder's name is told back in an error."""
    argv = [sys.executable, "-m", "opsportal.cli.main", "lint", "/nowhere/\x1b]0;owned\x07"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "owned" in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x07" not in done.stdout + done.stderr


@pytest.mark.parametrize("code", ["8", "30", "37", "40", "47;97", "38;5;0", "38;2;0;0;0", "1;8;31", "107", "100"])
def test_a_colour_that_could_hide_what_it_colours_is_left_out(code: str) -> None:
    assert shown(f"a\x1b[{code}mrm -rf /\x1b[0m\n") == "arm -rf /\x1b[0m\n"


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /\r\x1b[2K",
        "rm -rf /\x1b[1A\x1b[2K",
        "\x1b[9A\x1b[J",
        "\x1b[?1049h",
        "\x1b[1;1H",
        "rm\x08\x08",
        "\x1bM",
        "\x0b",
    ],
)
def test_no_cursor_moves_so_that_no_line_is_written_over(text: str) -> None:
    assert "\x1b" not in shown(text)
    assert not {"\r", "\x08", "\x0b"} & set(shown(text))
