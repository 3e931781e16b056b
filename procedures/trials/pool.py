"""Runs a bundle's tests in cells, one cell each, within hard limits; what happens inside reaches nothing outside."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from procedures.sandbox.cells import Cells, NoCell
from procedures.trials.case import MAX_TESTS, names

INSIDE = "procedures.trials.inside"
ONE_S = 60.0
ALL_S = 300.0
MAX_ANSWER = 64 * 1024


def results(cells: Cells, files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """A row for each test, in order; those for which no time is left say so. Raises NoCell."""
    until = time.monotonic() + ALL_S
    asked = {path: base64.b64encode(content).decode() for path, content in files.items()}
    rows = []
    for number, name in enumerate(names(files)):
        left = min(ONE_S, until - time.monotonic())
        if left <= 1 or number >= MAX_TESTS:
            why = f"not run: there are more than {MAX_TESTS} tests, or the five minutes for all are over"
            rows.append({"test": name, "ok": False, "told": why, "seconds": 0.0})
            continue
        rows.append(_one(cells, asked, name, left))
    return rows


def tier_of(cells: Cells) -> str:
    """Which tier a step in a cell has, tried from inside one; `D` where there is no cell or no sandbox in it."""
    try:
        row = _read(_answer(cells, b'{"probe": true}\n', 20.0))
    except NoCell:
        return "D"
    return str(row["told"])[:1] if row else "D"


def _one(cells: Cells, files: Mapping[str, str], name: str, left: float) -> dict[str, Any]:
    began = time.monotonic()
    answer = _answer(cells, json.dumps({"test": name, "files": files}).encode() + b"\n", left)
    seconds = round(time.monotonic() - began, 1)
    row = _read(answer)
    if row is not None:
        return {"test": name, "ok": row["ok"] is True, "told": str(row["told"])[:1_000], "seconds": seconds}
    if seconds >= left - 1:
        return {"test": name, "ok": False, "told": f"took longer than {left:.0f} s and was ended", "seconds": seconds}
    return {"test": name, "ok": False, "told": "ended the cell that it ran in, without an answer", "seconds": seconds}


def _answer(cells: Cells, request: bytes, left: float) -> bytes:
    """What the cell says until it ends. Raises NoCell where it never began to read."""
    kept = b""
    with cells.open(INSIDE, seconds=left) as link:
        link.settimeout(left + 5)
        try:
            link.sendall(request)
        except OSError as problem:
            raise NoCell(f"The cell took no request: {problem}") from problem
        try:
            while (data := link.recv(65_536)) and len(kept) <= MAX_ANSWER:
                kept += data
        except OSError:
            return b""
    return kept


def _read(answer: bytes) -> dict[str, Any] | None:
    """The row, from the answer's one line; None for anything else."""
    if len(answer) > MAX_ANSWER or not answer.endswith(b"\n"):
        return None
    try:
        row = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and {"ok", "told"} <= set(row) else None
