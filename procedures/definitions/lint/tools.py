"""What shellcheck and yamllint say, as warnings, where they are installed: one call of each for a whole bundle.

The same bundle is looked at again and again: in the editor, at submission, for a review, at each look at a source. What
a checker said about the same bytes is remembered for as long as the program that said it is the same file.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from threading import Lock

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
MOST_KNOWN, LONGEST_KNOWN = 256, 64 * 1024
_known: OrderedDict[str, str] = OrderedDict()
_lock = Lock()


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
    told = _told(tool, found, {name: notes.files[path] for name, path in paths.items()})
    for row in told.splitlines():
        if match := ROW.match(row):
            notes.at(by_number[match[1]], int(match[2]), int(match[3]), f"{tool}-{match[5]}", match[4])


def _told(tool: str, found: str, contents: dict[str, bytes]) -> str:
    """What a checker prints about these files, from memory if the same program was asked about the same ones."""
    mark = _mark(tool, found, contents)
    with _lock:
        if (known := _known.get(mark)) is not None:
            _known.move_to_end(mark)
            return known
    with tempfile.TemporaryDirectory(prefix="opsportal-lint-") as folder:
        for name, content in contents.items():
            (Path(folder) / name).write_bytes(content)
        told = said([found, *ARGUMENTS[tool], *contents], Path(folder))
    if told is None:
        return ""
    if len(told) <= LONGEST_KNOWN:
        with _lock:
            _known[mark] = told
            while len(_known) > MOST_KNOWN:
                _known.popitem(last=False)
    return told


def _mark(tool: str, found: str, contents: dict[str, bytes]) -> str:
    """A digest over the program as it lies there, and over each file's name, length and bytes in turn."""
    stat = Path(found).stat()
    digest = hashlib.sha256(f"{tool}\0{found}\0{stat.st_ino}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    for name, content in contents.items():
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def said(argv: list[str], folder: Path) -> str | None:
    """What a checker prints about the files of a folder; None if it takes too long."""
    environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder)}
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=SECONDS, check=False, env=environ)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode(errors="replace")
