"""What shellcheck and yamllint say, as warnings, where they are installed: one call of each for a whole bundle."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from procedures.definitions.codes import TOOLS
from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.programs import is_kept, kind_of
from procedures.definitions.lint.texts import decoded

YAML = re.compile(r"\.ya?ml$")
ROW = re.compile(r"^(\d+)\.\w+:(\d+):(\d+): \[?\w+\]?:? (.*) [\[(]([\w-]+)[\])]$")
SETTINGS = (
    "{extends: relaxed, rules: {line-length: disable, document-start: disable, braces: disable, commas: disable}}"
)
ARGUMENTS = {"shellcheck": ["--norc", "-f", "gcc"], "yamllint": ["-f", "parsable", "-d", SETTINGS]}
SECONDS = 20
LARGEST = 256 * 1024
MOST_FILES = 100


def lint(notes: Notes, asked: Collection[str]) -> None:
    """Ask the TOOLS that are named."""
    for tool in TOOLS:
        found = program(tool) if tool in asked else None
        paths = _paths(notes, tool) if found else {}
        if found and paths:
            _say(notes, tool, found, paths)


def program(name: str) -> str | None:
    """Where a checker is: on the path, or beside this Python."""
    beside = Path(sys.executable).with_name(name)
    return shutil.which(name) or (str(beside) if beside.exists() else None)


def _paths(notes: Notes, tool: str) -> dict[str, str]:
    """Names in a scratch folder by number, so that no file's own name reaches a command line."""
    found = []
    for path, content in notes.programs():
        text = decoded(path, content)
        if len(content) > LARGEST or text is None:
            continue
        if tool == "yamllint" and YAML.search(path):
            found.append((path, "yaml"))
        elif tool == "shellcheck" and kind_of(path, text) == "shell" and not is_kept(notes, path):
            found.append((path, "bash" if "bash" in text[:40] else "sh"))
    return {f"{number}.{end}": path for number, (path, end) in enumerate(found[:MOST_FILES])}


def _say(notes: Notes, tool: str, found: str, paths: dict[str, str]) -> None:
    by_number = {name.partition(".")[0]: path for name, path in paths.items()}
    with tempfile.TemporaryDirectory(prefix="opsportal-lint-") as folder:
        for name, path in paths.items():
            (Path(folder) / name).write_bytes(notes.files[path])
        told = said([found, *ARGUMENTS[tool], *paths], Path(folder))
    for row in told.splitlines():
        if match := ROW.match(row):
            notes.at(by_number[match[1]], int(match[2]), int(match[3]), f"{tool}-{match[5]}", match[4])


def said(argv: list[str], folder: Path) -> str:
    """What a checker prints about the files of a folder; nothing if it takes too long."""
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)}
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=SECONDS, check=False, env=environ)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode(errors="replace")
