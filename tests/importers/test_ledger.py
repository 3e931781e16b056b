"""The account of a source: every key exactly once, whatever an importer says or forgets."""

from __future__ import annotations

from procedures.importers.ledger import UNKNOWN, Ledger

SOURCE = {"a": {"b": 1, "c": [{"d": 2}, {"d.e": 3}]}, "f": None}


def told(ledger: Ledger) -> dict[str, tuple[str, str]]:
    rows = ledger.keys()
    assert len({row.at for row in rows}) == len(rows)
    return {row.at: (row.fate, row.said) for row in rows}


def test_a_key_that_nobody_named_is_reported() -> None:
    assert told(Ledger(SOURCE)) == {"a": ("reported", UNKNOWN), "f": ("reported", UNKNOWN)}


def test_what_is_said_of_a_key_holds_below_it_unless_more_is_said_there() -> None:
    ledger = Ledger(SOURCE)
    ledger.mapped("a", into="x")
    ledger.reported("a", "c", 1, "d.e", why="strange")
    ledger.ignored("f", why="empty")
    assert told(ledger) == {
        "a.b": ("mapped", "x"),
        "a.c[0]": ("mapped", "x"),
        'a.c[1]["d.e"]': ("reported", "strange"),
        "f": ("ignored", "empty"),
    }


def test_of_two_fates_the_graver_stands() -> None:
    ledger = Ledger({"a": 1})
    ledger.reported("a", why="look")
    ledger.mapped("a", into="x")
    ledger.reported("a", why="again")
    assert told(ledger) == {"a": ("reported", "look again")}
