"""Kubernetes, Helm, Kustomize and Argo CD: images by digest, deployments of a commit (H3, H9)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from procedures.definitions import unfold
from procedures.definitions.guard import Document, Mark
from procedures.definitions.lint.fetched import COMMIT, DIGEST
from procedures.definitions.lint.lines import Lines
from procedures.definitions.lint.notes import Notes
from procedures.domain.importing import ImportRefused

LINE = re.compile(
    r"^[^\S\n]*(?:-[^\S\n]+)?[\"']?(image|targetRevision)[\"']?\s*:\s*[\"']?([\w./:@${}-]+)", re.MULTILINE
)
KEYS = frozenset({"image", "targetRevision"})


def lint(notes: Notes, path: str, content: bytes) -> None:
    documents = _read(content)
    for key, value, (line, column) in _scalars(documents, content):
        if key == "image" and _is_image(value) and not DIGEST.search(value):
            notes.at(path, line, column, "image-tag", f"The image {value} is named without a digest.")
        if key == "targetRevision" and not _fixed(value):
            notes.at(path, line, column, "branch", f"targetRevision {value} moves.")
    for document in documents or ():
        for place, mapping in _mappings(document.value, ""):
            for code, told in _said(place, mapping):
                notes.at(path, *document.where(place), code, told)


def _read(content: bytes) -> list[Document] | None:
    """The documents of a file, or None for a template that is no YAML."""
    try:
        return list(unfold.load_all(content))
    except ImportRefused:
        return None


def _fixed(revision: str) -> bool:
    """A commit, or what the procedure's own form fills in."""
    return bool(COMMIT.fullmatch(revision)) or revision.startswith("$")


def _said(pointer: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Images in pieces, as Helm's values and Kustomize name them, and sources of Argo CD that follow something."""
    parent = pointer.rpartition("/")[0].rpartition("/")[2]
    tag = value.get("newTag") if parent == "images" else value.get("tag") if pointer.endswith("/image") else None
    if isinstance(tag, (str, int, float)) and str(tag) and not _digest(value):
        name = value.get("newName") or value.get("repository") or value.get("name") or ""
        yield "image-tag", f"The image {name}:{tag} is named without a digest."
    if "repoURL" in value and not isinstance(value.get("targetRevision"), (str, int, float)):
        revision = str(value.get("revision") or "")
        if not _fixed(revision):
            yield "branch", f"{value['repoURL']} is followed at {revision or 'its newest commit'}."


def _digest(value: Mapping[str, Any]) -> bool:
    told = f"{value.get('digest') or ''} {value.get('tag') or ''} {value.get('sha') or ''}"
    return bool(re.search(r"\b[0-9a-f]{64}\b", told)) or str(value.get("tag", "")).startswith("$")


def _is_image(value: str) -> bool:
    return bool(re.fullmatch(r"[a-z0-9][\w./:@-]*", value)) and not value.startswith(("./", "/"))


def _scalars(documents: list[Document] | None, content: bytes) -> Iterator[tuple[str, str, Mark]]:
    """(key, text, place) of what hangs under one of KEYS anywhere; templates that are no YAML are read by line."""
    if documents is None:
        text = content.decode("utf-8", "replace")
        lines = Lines(text)
        for match in LINE.finditer(text):
            yield match[1], match[2], (lines.of(match.start(2)), 1)
        return
    for document in documents:
        for pointer, value in _walk(document.value, ""):
            key = pointer.rpartition("/")[2]
            if key in KEYS and isinstance(value, (str, int, float)) and not pointer.endswith("/properties/" + key):
                yield key, str(value), document.where(pointer)


def _walk(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _walk(item, f"{pointer}/{number}")
    else:
        yield pointer, value


def _mappings(value: Any, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield pointer, value
    rows: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in rows:
        yield from _mappings(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
