"""The policies that come with the product: each a Rego file, the JSON Schema of its settings, and its tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Shipped:
    """One of ours. `stages` are those that it has rules for; `schema` has a default for every setting it needs."""

    name: str
    title: str
    description: str
    stages: tuple[str, ...]
    schema: Mapping[str, Any]
    source: str


@cache
def policies() -> Mapping[str, Shipped]:
    """By name."""
    return {path.stem: _read(path) for path in sorted(FOLDER.glob("*.json"))}


def _read(path: Path) -> Shipped:
    schema = json.loads(path.read_text())
    return Shipped(
        name=path.stem,
        title=schema["title"],
        description=schema["description"],
        stages=tuple(schema["x-stages"]),
        schema={key: value for key, value in schema.items() if key != "x-stages"},
        source=path.with_suffix(".rego").read_text(),
    )
