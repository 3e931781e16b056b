"""The offline verifier page is what its sources give, and its scripts are short files like all others."""

from __future__ import annotations

import re

from opsportal import verifier_page
from procedures.evidence.offline import PAGE

LONGEST = 300


def test_the_built_page_equals_its_sources() -> None:
    assert PAGE.read_text() == verifier_page.built(), "python3 manage.py verifier-page"
    assert verifier_page.main(["--check"]) == 0


def test_no_script_is_longer_than_a_file_may_be() -> None:
    scripts = [*verifier_page.MODULES.glob("*.js"), *verifier_page.OFFLINE.iterdir()]
    assert {path.name: lines for path in scripts if (lines := len(path.read_text().splitlines())) > LONGEST} == {}


def test_every_script_opens_with_why_it_exists() -> None:
    scripts = [*verifier_page.MODULES.glob("*.js"), *verifier_page.OFFLINE.glob("*.js")]
    assert [path.name for path in scripts if not path.read_text().startswith("// ")] == []


def test_the_page_holds_no_way_out_and_writes_no_markup() -> None:
    page = PAGE.read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|import)\(", page)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://", page)
