"""Which lines of a file changed: nothing hides a line, and nothing makes the answer slow."""

from __future__ import annotations

import time

from procedures.domain import line_diff
from procedures.domain.line_diff import Row


def told(rows: list[Row]) -> list[str]:
    marks = {"add": "+", "del": "-", "same": " ", "hunk": "@"}
    return [marks[row.kind] + "".join(text for _, text in row.parts) for row in rows]


def test_changed_lines_stand_among_a_few_others() -> None:
    old = "".join(f"line {n}\n" for n in range(40))
    rows = line_diff.rows(old, old.replace("line 20\n", "line twenty\n"))
    assert told(rows)[0] == "@from line 18"
    assert told(rows)[4:6] == ["-line 20", "+line twenty"]
    assert [row.new for row in rows if row.kind == "same"] == [18, 19, 20, 22, 23, 24]
    assert [part for row in rows for part in row.parts if part[0]] == [(True, "20"), (True, "twenty")]


def test_two_changes_far_apart_are_two_pieces_and_the_first_lines_need_no_mark() -> None:
    old = "".join(f"{n}\n" for n in range(60))
    rows = line_diff.rows(old, old.replace("0\n", "zero\n", 1).replace("\n50\n", "\nfifty\n"))
    assert told(rows)[:2] == ["-0", "+zero"]
    assert [text for text in told(rows) if text.startswith("@")] == ["@from line 48"]


def test_a_new_file_is_all_added_and_a_lost_one_all_removed() -> None:
    assert told(line_diff.rows("", "a\nb\n")) == ["+a", "+b"]
    assert told(line_diff.rows("a\n", "")) == ["-a"]
    assert line_diff.rows("a\n", "a\n") == []


def test_only_a_line_feed_ends_a_line() -> None:
    """A reader that also splits at these shows `rm` as a line of a comment's successor, or not at all."""
    for hidden in ("\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"):
        rows = line_diff.rows("", f"# fine{hidden}rm -rf /\n")
        assert len(rows) == 1
        assert told(rows)[0].startswith("+# fine\\"), told(rows)


def test_other_line_ends_are_a_difference_that_can_be_seen() -> None:
    assert told(line_diff.rows("a\nb\n", "a\r\nb\n")) == ["-a", "+a\\x0d", " b"]
    assert "no longer ends in a line feed" in told(line_diff.rows("a\n", "a"))[-1]


def test_hidden_characters_and_odd_spaces_are_written_out() -> None:
    line = "if [ x = \u202ey ]\u2066; then\u00a0\x1b[31mrm\x1b[0m \u200b\u3164\u2800\ufe01"
    text = told(line_diff.rows("", line + "\n"))[0]
    assert text == r"+if [ x = \u202ey ]\u2066; then\xa0\x1b[31mrm\x1b[0m \u200b\u3164\u2800\ufe01"


def test_letters_of_every_script_and_emoji_stay() -> None:
    line = "echo «naïve» مرحبا 你好 ❤️ 🚀"
    assert told(line_diff.rows("", line + "\n")) == ["+" + line]


def test_a_very_long_line_is_cut_and_says_so() -> None:
    text = told(line_diff.rows("", "x" * 200_000 + "\n"))[0]
    assert len(text) < 1_100
    assert "199,000 characters more: download the file" in text


def test_text_made_to_be_slow_is_answered_at_once() -> None:
    begun = time.monotonic()
    same = "x\n" * 3_000
    line_diff.rows(same + "a\n" + same, same + "b\n" + same + "x\n")
    twisted = "".join(f"{n % 2}\n" for n in range(4_000))
    line_diff.rows("0\n0\n" + twisted, twisted + "1\n1\n1\n")
    line_diff.rows("ab " * 100_000, "ba " * 100_000)
    assert time.monotonic() - begun < 2
