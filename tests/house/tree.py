"""The project's own files, as text and as syntax trees."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OWN = ("opsportal", "procedures", "tests")
NOT_OURS = {"__pycache__", "vendor", "node_modules", "staticfiles", ".git", ".venv", "var"}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".lock", ".html", ".js", ".css", ".sh", ".json", ".cfg", ""}


def python_files(*rooms: str) -> list[Path]:
    """Our Python files under these folders, without migrations."""
    found = (path for room in rooms or OWN for path in (ROOT / room).rglob("*.py"))
    apart = NOT_OURS | {"migrations"}
    return sorted(path for path in found if not apart & set(path.relative_to(ROOT).parts))


def text_files() -> Iterator[Path]:
    """Everything of ours that a person could read, locks included."""
    for path in sorted(ROOT.rglob("*")):
        parts = set(path.relative_to(ROOT).parts)
        if path.is_file() and path.suffix in TEXT and not NOT_OURS & parts and ".egg-info" not in str(path):
            yield path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


def short(path: Path) -> str:
    """A path as a person says it."""
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, anywhere in it, with its line."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
