"""What holds for every file."""

from __future__ import annotations

import ast
import re

from tests.house import tree

LONGEST = 300
# One file on purpose: it travels in every evidence pack and is read and run alone, without us.
MAY_BE_LONG = {"procedures/evidence/verify.py"}
NAMES_WITHOUT_A_NOUN = {"utils", "util", "helpers", "helper", "common", "core", "misc", "lib", "base_utils"}
# Put together here, so that this file does not contain what it looks for.
REGISTRY_HOSTS = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io"]
REMINDERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    long = {
        tree.short(path): lines
        for path in tree.python_files()
        if (lines := len(path.read_text().splitlines())) > LONGEST and tree.short(path) not in MAY_BE_LONG
    }
    assert not long, f"split these by noun, not by layer: {long}"


def test_every_name_is_a_noun_of_the_house() -> None:
    homeless = [
        tree.short(path)
        for path in tree.python_files()
        if {part.removesuffix(".py") for part in path.relative_to(tree.ROOT).parts} & NAMES_WITHOUT_A_NOUN
    ]
    assert not homeless, f"a homeless function means a missing noun: {homeless}"


def test_every_module_opens_with_why_it_exists() -> None:
    silent = [
        tree.short(path)
        for path in tree.python_files()
        if path.read_text().strip() and not ast.get_docstring(tree.parsed(path))
    ]
    assert not silent, f"one sentence at the top of each: {silent}"


def test_nothing_names_the_host_of_a_package_registry() -> None:
    naming = [tree.short(path) for path in tree.text_files() if _names_a_host(path.read_text(errors="ignore"))]
    assert not naming, f"locks and pages name packages, not where they come from: {naming}"


def test_nothing_is_left_for_later_in_code() -> None:
    left = [tree.short(path) for path in tree.python_files() if REMINDERS.search(path.read_text())]
    assert not left, f"do it or say it in an issue: {left}"


def test_nothing_swallows_an_exception_in_silence() -> None:
    silent = [
        f"{tree.short(path)}:{node.lineno}"
        for path in tree.python_files("opsportal", "procedures")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.ExceptHandler) and len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
    ]
    assert not silent, f"use contextlib.suppress with the narrowest type, or act: {silent}"


def _names_a_host(text: str) -> bool:
    return any(host in text for host in REGISTRY_HOSTS)


def test_the_house_is_looked_at_wherever_the_checkout_lies() -> None:
    """A checkout below a folder named `var` was once passed over whole, and every rule held."""
    seen = {tree.short(path) for path in tree.python_files()}
    assert {"opsportal/cli/main.py", "procedures/domain/plan.py", "tests/house/tree.py"} <= seen


def test_each_record_of_a_decision_has_its_own_number_and_none_is_left_out() -> None:
    records = sorted((tree.ROOT / "procedures" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in records]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)], "take the next free number"
    wrong = [path.name for path in records if not path.read_text().startswith(f"# {path.name[:4]} ")]
    assert not wrong, f"the title begins with the number: {wrong}"
