"""Whether what an event says of a control could be a change of it at all."""

from __future__ import annotations

from typing import Any

from procedures.domain import control_shapes
from procedures.domain.errors import InvalidInput


def fits(control: Any, object: Any) -> bool:
    """Whether a change of that control could say this."""
    try:
        control_shapes.check(control if isinstance(control, str) else "", object)
    except (InvalidInput, RecursionError):
        return False
    return True
