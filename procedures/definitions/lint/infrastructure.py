"""Terraform, Ansible and templates: what they would fetch when they run (H3, H9)."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

from procedures.definitions import unfold
from procedures.definitions.lint import manifests
from procedures.definitions.lint.fetched import COMMIT
from procedures.definitions.lint.lines import Lines
from procedures.definitions.lint.notes import Notes
from procedures.definitions.lint.placed import placed
from procedures.domain.definition import RISKS
from procedures.domain.importing import ImportRefused

# No pattern that begins a line takes an end of line into its space: empty lines would be read again for each of them.
SOURCE = re.compile(r"^[^\S\n]*source\s*=\s*\"([^\"]*)\"", re.MULTILINE)
MODULE = re.compile(r"\bmodule\s+\"[^\"]+\"\s*\{")
PROVIDERS = re.compile(r"^[^\S\n]*(?:provider|resource|data)\s+\"|\brequired_providers\b", re.MULTILINE)
RUNS = re.compile(r"\bprovisioner\s+\"(local-exec|remote-exec)\"|\bdata\s+\"(external|http)\"")
CONFIG = re.compile(r"(^|/)(\.terraformrc|terraform\.rc|[\w.-]+\.tfrc)$")
COMMENT = re.compile(r"(?:#|//)[^\n]*")
MIRROR = re.compile(r"\b(?:filesystem|network)_mirror\s*\{")
DIRECT = re.compile(r"\bdirect\s*\{")
HASHES = re.compile(r"\"(h1|zh):")
PINNED = re.compile(r"[?&]ref=[0-9a-f]{40}\b|[?&]checksum=(sha256|sha512):[0-9a-f]{64}")
TEMPLATES = ("fetch:template", "fetch:plain")


def lint(notes: Notes) -> None:
    for path, content in notes.programs():
        text = content.decode("utf-8", "replace")
        if path.endswith(".tf"):
            _terraform(notes, path, text)
        elif re.search(r"\.(ya?ml|json)$", path):
            manifests.lint(notes, path, content)
            if re.search(r"(^|/)requirements\.ya?ml$", path):
                _galaxy(notes, path, content)
    _locks(notes)
    _templates(notes)


BRACE = re.compile(r"[{}]")


def _terraform(notes: Notes, path: str, text: str) -> None:
    lines, bodies = Lines(text), _bodies(text)
    for match in SOURCE.finditer(text):
        if any_holds(bodies, match.start(1)):
            _module(notes, path, lines.of(match.start(1)), match[1])
    for match in RUNS.finditer(text):
        high = RISKS.index(notes.definition.risk) >= RISKS.index("high")
        told = f"{match[1] or match[2]} runs or asks something outside Terraform's providers."
        notes.at(path, lines.of(match.start()), 1, "terraform-runs", told, soft=high)


def _bodies(text: str) -> list[tuple[int, int]]:
    """Where modules begin and end, in order and without those inside others; each brace is looked at once."""
    begins = {match.end() - 1 for match in MODULE.finditer(text)}
    found: list[tuple[int, int]] = []
    depth, began = 0, -1
    for match in BRACE.finditer(text):
        place = match.start()
        if match[0] == "{":
            began, depth = (place, 0) if began < 0 and place in begins else (began, depth)
            depth += 1
        elif began >= 0:
            depth -= 1
            if not depth:
                found.append((began, place))
                began = -1
    return [*found, (began, len(text))] if began >= 0 else found


def any_holds(spans: list[tuple[int, int]], place: int) -> bool:
    number = bisect_right(spans, (place, place)) - 1
    return number >= 0 and spans[number][0] < place < spans[number][1]


def _module(notes: Notes, path: str, line: int, source: str) -> None:
    if source.startswith(("./", "../")):
        inside = posixpath.normpath(posixpath.join(posixpath.dirname(path), source))
        if inside.startswith(".."):
            notes.at(path, line, 1, "outside-bundle", f"{source} is not a path inside the bundle.")
        elif not any(other.startswith(f"{inside}/") or inside == "." for other in notes.files):
            notes.at(path, line, 1, "missing", f"There is no folder {inside} in the bundle.")
    elif not PINNED.search(source):
        notes.at(path, line, 1, "terraform-module", f"The module {source} is chosen when it runs.")


def _locks(notes: Notes) -> None:
    """Each folder whose Terraform names providers, and that no other module uses, has a lock file with hashes."""
    folders: dict[str, str] = {}
    used: set[str] = set()
    for path, content in notes.programs():
        if not path.endswith((".tf", ".tf.json")):
            continue
        text, here = content.decode("utf-8", "replace"), posixpath.dirname(path)
        used |= {posixpath.normpath(posixpath.join(here, s)) for s in SOURCE.findall(text) if s.startswith(".")}
        if PROVIDERS.search(text) or path.endswith(".tf.json"):
            folders.setdefault(here, path)
    for folder, path in folders.items():
        lock = notes.files.get(posixpath.join(folder, ".terraform.lock.hcl"))
        if folder not in used and (lock is None or not HASHES.search(lock.decode("utf-8", "replace"))):
            notes.at(path, 1, 1, "terraform-lock", f"{folder or 'The folder'} has no lock file with hashes.")
    asked = next((path for folder, path in folders.items() if folder not in used), "")
    if asked and not any(_mirrors(path, content) for path, content in notes.files.items()):
        notes.at(asked, 1, 1, "terraform-mirror", "Nothing says where providers come from but their registry.")


def _mirrors(path: str, content: bytes) -> bool:
    """Whether a file is a Terraform configuration that takes providers from a mirror, and from nowhere directly."""
    text = COMMENT.sub("", content.decode("utf-8", "replace")) if CONFIG.search(path) else ""
    return bool(MIRROR.search(text)) and not DIRECT.search(text)


def _galaxy(notes: Notes, path: str, content: bytes) -> None:
    try:
        documents = unfold.load_all(content)
    except ImportRefused:
        return
    for document in documents:
        value = document.value
        for kind in ("roles", "collections", ""):
            rows = value if not kind else value.get(kind) if isinstance(value, Mapping) else None
            for number, row in enumerate(rows if isinstance(rows, list) else []):
                if not _pinned_role(row):
                    line, column = document.where(f"/{kind}/{number}" if kind else f"/{number}")
                    notes.at(path, line, column, "galaxy", f"{_named(row)} has no commit.")


def _pinned_role(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    name = str(row.get("src") or row.get("name") or "")
    return bool(COMMIT.fullmatch(str(row.get("version", "")))) or name.startswith("./")


def _named(row: Any) -> str:
    return str(row.get("name") or row.get("src") or "An entry") if isinstance(row, Mapping) else str(row)


def _templates(notes: Notes) -> None:
    for pointer, step in placed(notes.definition):
        url = str(step.input.get("url", ""))
        if step.action in TEMPLATES and "://" in url and not (COMMIT.search(url) or _told_digest(step.input)):
            notes.say(f"{pointer}/input/url", "template-url", f"{url} is fetched when it runs.")


def _told_digest(given: Mapping[str, Any]) -> bool:
    return bool(re.fullmatch(r"(sha256:)?[0-9a-f]{64}", str(given.get("sha256") or given.get("digest") or "")))
