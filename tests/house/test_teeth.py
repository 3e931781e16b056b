"""Each function that holds a promise is missed when it is emptied: a test that cannot fail protects nothing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.folders import open_to_all
from tests.house import tree

ENTRIES: list[dict[str, Any]] = tomllib.loads((tree.ROOT / "tests/house/teeth.toml").read_text())["function"]
COPIED = ("opsportal", "procedures", "tests", "runbooks", "pyproject.toml", "manage.py")
IGNORED = shutil.ignore_patterns("__pycache__", ".*_cache", "var", "node_modules")
TESTS_FAILED = 1

named = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry['path']}:{entry['name']}")


@named
def test_teeth_name_a_function_and_a_test_that_exist(entry: dict[str, Any]) -> None:
    path, _, test = entry["test"].partition("::")
    assert function_in(tree.parsed(tree.ROOT / entry["path"]), entry["name"])
    assert function_in(tree.parsed(tree.ROOT / path), test.partition("[")[0].replace("::", "."))


@named
@pytest.mark.figures
@pytest.mark.timeout(600)
def test_emptied_function_is_missed(entry: dict[str, Any], tmp_path: Path) -> None:
    copy_of_the_tree(tmp_path)
    open_to_all(tmp_path)  # some tests run it as another user
    whole = outcome(tmp_path, entry)
    assert whole.returncode == 0, f"the test must pass before anything is emptied:\n{whole.stdout}"
    empty(tmp_path / entry["path"], entry["name"], entry.get("returns", "None"))
    emptied = outcome(tmp_path, entry)
    assert emptied.returncode == TESTS_FAILED, f"nobody missed {entry['name']}:\n{emptied.stdout}{emptied.stderr}"


def copy_of_the_tree(folder: Path) -> None:
    for name in COPIED:
        source = tree.ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=IGNORED)
        elif source.exists():
            shutil.copy2(source, folder / name)


def empty(path: Path, name: str, returns: str) -> None:
    """Replace the body of a function by `return …`, or by a bare `yield …` where it was a generator."""
    module = ast.parse(path.read_text())
    node = function_in(module, name)
    assert node is not None
    yields = any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node))
    value = ast.parse(returns, mode="eval").body
    node.body = [ast.Expr(ast.Yield(value=value)) if yields else ast.Return(value=value)]
    path.write_text(ast.unparse(ast.fix_missing_locations(module)))


def outcome(folder: Path, entry: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "--database", entry.get("database", "sqlite"), entry["test"]]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ["PYTHONPATH"] = str(folder)
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def function_in(scope: ast.AST, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The function of this name; `Class.method` for one in a class."""
    first, _, rest = name.partition(".")
    for node in ast.iter_child_nodes(scope):
        if getattr(node, "name", None) == first:
            if rest:
                return function_in(node, rest)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return node
    return None
