"""Every refusal has a code of its own and says what to do next."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tests.house import tree

ROOT_CLASS = "OpsError"


def test_every_error_has_a_code_that_no_other_has() -> None:
    owners: dict[str, list[str]] = defaultdict(list)
    for path, node in error_classes():
        owners[constant(node, "code") or ""].append(f"{tree.short(path)}:{node.name}")
    without = owners.pop("", [])
    shared = {code: names for code, names in owners.items() if len(names) > 1}
    assert not without, f"give each a code: {without}"
    assert not shared, f"one code, one error: {shared}"


def test_every_error_says_what_to_do_next() -> None:
    inherited = {"IllegalState", "InvalidInput", "NotAllowed", "NotFound"}
    mute = [
        f"{tree.short(path)}:{node.name}"
        for path, node in error_classes()
        if not has(node, "next_step") and not {base_name(base) for base in node.bases} & inherited
    ]
    assert not mute, f"one sentence each in next_step: {mute}"


def error_classes() -> list[tuple[Path, ast.ClassDef]]:
    """The subclasses of OpsError, however far removed, in our two packages."""
    classes = [
        (path, node)
        for path in tree.python_files("opsportal", "procedures")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.ClassDef)
    ]
    known = {ROOT_CLASS}
    while more := {node.name for _, node in classes if {base_name(base) for base in node.bases} & known} - known:
        known |= more
    return [(path, node) for path, node in classes if node.name in known - {ROOT_CLASS}]


def base_name(base: ast.expr) -> str:
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""


def has(node: ast.ClassDef, name: str) -> bool:
    return any(name in names(statement) for statement in node.body)


def constant(node: ast.ClassDef, name: str) -> str | None:
    for statement in node.body:
        value = getattr(statement, "value", None)
        if name in names(statement) and isinstance(value, ast.Constant):
            return str(value.value)
    return None


def names(statement: ast.stmt) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}
