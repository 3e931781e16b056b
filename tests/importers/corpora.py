"""Public files, read where they lie when OPSPORTAL_CORPORA names the folder (decisions.md, 32)."""

from __future__ import annotations

import os
from pathlib import Path

from procedures.definitions import registry
from procedures.domain.importing import ImportRefused
from tests.importers.contract import check

DATA = os.environ.get("OPSPORTAL_CORPORA", "")


def files(*folders: str) -> list[Path]:
    return sorted(place for name in folders for place in Path(DATA, "corpora", name).iterdir()) if DATA else []


def outcome(kind: str, place: Path) -> str:
    """imported, marked or refused; the contract holds for every file that is not refused."""
    data = place.read_bytes()
    try:
        carried = registry.importer(kind)(place.name, data)
    except ImportRefused as refused:
        return f"refused, line {refused.line}"
    check(kind, place.name, data, carried)
    return "marked" if any(one.marked for one in carried.procedures) else "imported"
