"""Only services change what is; everything else asks them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house import tree

MAY_WRITE = ("procedures/services/", "procedures/evidence/", "procedures/migrations/")
WRITES = {"create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "delete", "update", "save"}


def test_only_services_and_evidence_write_rows() -> None:
    strays = [
        f"{tree.short(path)}:{line} {what}"
        for path in tree.python_files("procedures")
        if not tree.short(path).startswith(MAY_WRITE)
        for line, what in row_writes(tree.parsed(path))
    ]
    assert not strays, f"move these into a service: {strays}"


def test_nobody_sets_a_state_on_an_object() -> None:
    strays = [
        f"{tree.short(path)}:{node.lineno}"
        for path in tree.python_files("procedures")
        if not tree.short(path).startswith("procedures/domain/")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Assign) and any(is_state_of_a_row(target) for target in node.targets)
    ]
    assert not strays, f"a state moves by an UPDATE that names the old one: {strays}"


def test_permissions_are_assigned_in_one_place() -> None:
    strays = [
        f"{tree.short(path)}:{line}"
        for path in tree.python_files("procedures", "opsportal")
        if not tree.short(path).startswith(("procedures/services/", "procedures/access/"))
        for module, line in tree.imports(path)
        if module == "guardian.shortcuts"
    ]
    assert not strays, f"guardian's rows are a projection that the grant service writes: {strays}"


def row_writes(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Calls that write through a manager: `X.objects….update(…)` and its like."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in WRITES and any(
            isinstance(part, ast.Attribute) and part.attr == "objects" for part in ast.walk(node.func.value)
        ):
            yield node.lineno, ast.unparse(node.func)


def is_state_of_a_row(target: ast.expr) -> bool:
    return (
        isinstance(target, ast.Attribute)
        and target.attr == "state"
        and isinstance(target.value, ast.Name)
        and target.value.id in {"run", "version", "task", "change", "approval", "lease", "row"}
    )
