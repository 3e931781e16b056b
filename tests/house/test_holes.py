"""The map of holes is whole, its tests are there, and SECURITY.md says of each hole what the map says."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house import tree

HOLES: dict[str, dict[str, str]] = tomllib.loads((tree.ROOT / "tests/kill_chain/holes.toml").read_text())
EVERY = [f"H{number}" for number in range(1, 43)]
STATES = ("closed", "reduced", "remains")
# Whom the threat model names for each hole; who else tries it is welcome.
NAMED = {
    "H1": "web administrator approver",
    "H2": "author operator",
    "H3": "author repository",
    "H5": "requester runner",
    "H7": "requester author",
    "H10": "repository approver",
    "H11": "repository",
    "H13": "outsider requester",
    "H14": "web runner",
    "H17": "author requester",
    "H20": "thief",
    "H21": "web",
    "H22": "author runner",
    "H23": "operator",
    "H24": "beneficiary",
    "H25": "anybody",
    "H26": "directory approver",
    "H29": "author repository",
    "H30": "requester outsider",
    "H33": "web",
    "H34": "runner",
    "H35": "anybody",
    "H38": "agent",
    "H40": "author approver",
    "H41": "runner",
} | dict.fromkeys(("H4", "H9", "H12", "H15", "H16", "H18", "H28", "H36", "H42"), "author")
NAMED |= dict.fromkeys(("H6", "H8", "H19", "H27", "H39"), "requester")
NAMED |= {"H31": "outsider", "H32": "outsider", "H37": "repository"}
PATH = re.compile(r"[\w/]+\.(?:py|txt)|tests(?:/\w+)+/?")


def rows() -> list[tuple[list[str], str, str, str]]:
    """(holes, what, state with its words, tried by) of each line of the table, as they stand."""
    found = []
    for line in (tree.ROOT / "SECURITY.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith(("| hole", "| ---")):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            assert len(cells) == 4, line[:80]
            found.append((re.findall(r"H\d+", cells[0]), *cells[1:]))
    return found


def worst(hole: str) -> str:
    said = {words.split()[0].rstrip(":;,.") for holes, _, words, _ in rows() if hole in holes}
    assert said <= set(STATES), f"{hole}: a state begins with one of {', '.join(STATES)}, not {said}"
    return max(said, key=STATES.index, default="nothing")


def test_every_hole_stands_in_the_map_with_every_attacker_whom_it_names() -> None:
    assert list(HOLES) == EVERY
    lacking = {hole: set(NAMED[hole].split()) - HOLES[hole].keys() for hole in EVERY}
    assert not {hole: who for hole, who in lacking.items() if who}


@pytest.mark.parametrize("hole", EVERY)
def test_each_test_of_the_map_is_there(hole: str) -> None:
    for who, node in HOLES[hole].items():
        if who != "state":
            path, _, name = node.partition("::")
            assert (tree.ROOT / path).is_file(), f"{hole}, {who}: there is no {path}"
            assert not name or name in _functions(tree.ROOT / path), f"{hole}, {who}: {path} has no {name}"


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(tree.parsed(path)) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("hole", EVERY)
def test_security_md_says_the_same_of_it(hole: str) -> None:
    assert worst(hole) == HOLES[hole]["state"], f"SECURITY.md and the map differ about {hole}"


def test_security_md_goes_by_the_numbers_of_the_holes_and_leaves_none_to_others() -> None:
    first = [int(holes[0][1:]) if holes else 999 for holes, *_ in rows()]
    assert first == sorted(first), "sort the table by the first hole that each line names; lines without one come last"
    assert not [what for _, what, *_ in rows() if what.startswith(("all other", "see "))]


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{'-'.join(row[0]) or 'none'} {row[1][:30]}")
def test_each_line_names_tests_that_are_there(row: Any) -> None:
    found, folder = PATH.findall(row[3]), ""
    assert found, f"{row[1][:60]}: say what tries it"
    for text in found:
        path = tree.ROOT / (text if text.startswith("tests/") else f"{folder}/{text}")
        folder = text.rpartition("/")[0] if text.startswith("tests/") and text.endswith(".py") else folder
        assert path.exists(), f"{row[1][:60]}: there is no {text}"
