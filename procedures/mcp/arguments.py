"""What a tool is handed, looked at before anything else: programs send whatever a model made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procedures.domain.errors import InvalidInput
from procedures.domain.parameters import text_problem

WORDS = {str: "text", dict: "object", bool: "true or false", int: "whole number"}


def checked(given: Mapping[str, Any], kinds: Mapping[str, type], *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The arguments of a tool, empty ones for those that were left out. Raises InvalidInput naming each at fault."""
    problems = [(f"/{name}", "is no argument of this tool") for name in given if name not in kinds]
    for name, kind in kinds.items():
        value = given.get(name, kind())
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            problems.append((f"/{name}", f"is no {WORDS[kind]}"))
        elif isinstance(value, str) and (why := text_problem(value)):
            problems.append((f"/{name}", why))
        elif name in required and not str(value).strip():
            problems.append((f"/{name}", "is required"))
    if problems:
        raise InvalidInput(problems)
    return {name: given.get(name, kind()) for name, kind in kinds.items()}
