"""Cells of files that a spreadsheet opens: what was text stays text."""

from __future__ import annotations

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def quoted(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (H29)."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
