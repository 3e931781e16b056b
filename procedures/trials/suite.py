"""All tests of a bundle, one after another, each told in a row of plain values."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.trials.case import Wrong, case
from procedures.trials.play import Way, played
from procedures.trials.walk import Walk

HARNESS = "2"
LONGEST_TOLD = 1_000


def result(
    files: Mapping[str, bytes], name: str, definition: Definition | None = None, walk: Way = Walk
) -> dict[str, Any]:
    """How one test went: `{test, ok, told, seconds}`. Never raises for what a bundle holds.

    Another `walk` is the author's own machine's alone; nothing in this package hands one in (H15).
    """
    began = time.monotonic()
    try:
        told, ok = played(files, definition or _definition(files), case(name, files[name]), walk), True
    except OpsError as problem:
        told, ok = problem.message, False
    seconds = round(time.monotonic() - began, 1)
    return {"test": name, "ok": ok, "told": told[:LONGEST_TOLD], "seconds": seconds}


def _definition(files: Mapping[str, bytes]) -> Definition:
    found = load(files, registry.actions())
    errors = [finding for finding in found.findings if finding.severity == "error"]
    if errors:
        raise Wrong(str(errors[0]))
    return found.definition
