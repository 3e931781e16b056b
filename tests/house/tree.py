"""The project's own files, as text and as syntax trees."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OWN = ("opsportal", "procedures", "tests")
NOT_OURS = {"__pycache__", "vendor", "node_modules", "staticfiles", ".git", ".venv", "var"}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".lock", ".html", ".js", ".css", ".sh", ".json", ".cfg", ""}


@functools.cache
def python_files(*rooms: str) -> list[Path]:
    """Our Python files under these folders, without migrations."""
    apart = NOT_OURS | {"migrations"}
    found = [path for room in rooms or OWN for path in _files(ROOT / room, apart)]
    return sorted(path for path in found if path.suffix == ".py")


def text_files() -> Iterator[Path]:
    """Everything of ours that a person could read, locks included."""
    for path in sorted(_files(ROOT, NOT_OURS)):
        if path.is_file() and path.suffix in TEXT and ".egg-info" not in str(path):
            yield path


def _files(folder: Path, apart: set[str]) -> Iterator[Path]:
    """What lies in and under a folder; nobody looks into those apart, which hold an environment of many thousand."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in apart]
        yield from (Path(place, name) for name in names)


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


def short(path: Path) -> str:
    """A path as a person says it."""
    return str(path.relative_to(ROOT))


@functools.cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports, anywhere in it, with its line."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno
