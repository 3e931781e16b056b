"""Where each step of a definition stands."""

from __future__ import annotations

from collections.abc import Iterator

from procedures.domain.definition import PHASES, Definition, Step


def placed(definition: Definition) -> Iterator[tuple[str, Step]]:
    """(JSON pointer, step), in the order of the phases."""
    for phase in PHASES:
        for number, step in enumerate(definition.branch(phase)):
            yield f"/spec/{phase}/{number}", step
