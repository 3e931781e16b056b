"""What runs unreviewed tests cannot be told to reach a host: neither by who calls it nor by what it is sent (H15)."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TypeGuard

import pytest

from procedures.sandbox.cells import Cells
from procedures.trials import pool
from tests.house import tree
from tests.trials.test_suite import DEFINITION, GIVEN

SEAM = {"procedures/trials/suite.py", "procedures/trials/play.py"}


def test_the_pool_takes_cells_and_files_and_nothing_that_names_a_host_or_a_key() -> None:
    assert list(inspect.signature(pool.results).parameters) == ["cells", "files"]
    assert list(inspect.signature(pool.tier_of).parameters) == ["cells"]
    assert list(inspect.signature(Cells.__init__).parameters) == ["self", "hidden"]


def test_nothing_of_the_portal_hands_a_walk_to_a_test_or_has_one_that_reaches_hosts() -> None:
    """Only the command has it: who else asks for a result gives files, a name and a definition at most."""
    strays = []
    for path in tree.python_files("procedures"):
        modules = dict(tree.imports(path))
        strays += [f"{tree.short(path)}: {module}" for module in modules if module.startswith("opsportal.cli")]
        if tree.short(path) not in SEAM and any(module.startswith("procedures.trials") for module in modules):
            nodes = [node for node in ast.walk(tree.parsed(path)) if _hands_a_walk(node) or _is_a_walk(node)]
            strays += [f"{tree.short(path)}:{node.lineno}" for node in nodes]
    assert not strays


def _is_a_walk(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and "Walk" in map(_name, node.bases)


def _hands_a_walk(node: ast.AST) -> TypeGuard[ast.Call]:
    if not isinstance(node, ast.Call) or _name(node.func) not in {"result", "played"}:
        return False
    return len(node.args) > 3 or any(word.arg in {"walk", None} for word in node.keywords)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_the_program_in_a_cell_reaches_no_host_whatever_it_is_asked(tmp_path: Path) -> None:
    """Even outside a cell, with a network and a host that would answer: nobody comes to it."""
    one_step = DEFINITION.split(b"    - id: tell")[0]
    with socket.create_server(("127.0.0.1", 0)) as door:
        host = {"web-01": f"deploy@127.0.0.1:{door.getsockname()[1]}"}
        files = {"procedure.yaml": one_step.replace(b"      onFailure: rollback\n", b""), "tests/one.yaml": _test()}
        asked = {
            "test": "tests/one.yaml",
            "files": {path: base64.b64encode(data).decode() for path, data in files.items()},
            **dict.fromkeys(("against", "walk", "hosts"), host),
            "key": str(tmp_path / "key"),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "procedures.trials.inside"],
            input=json.dumps(asked) + "\n",
            cwd=tree.ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        row = json.loads(ended.stdout)
        assert (row["ok"], row["told"]) == (True, "planned restart"), row
        door.setblocking(False)
        with pytest.raises(BlockingIOError):
            door.accept()


def _test() -> bytes:
    return (GIVEN + "expect: {order: [restart]}\n").encode()
