"""The credential providers of this runner's issuer, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from procedures.definitions import registry
from procedures.domain.ports import Provider


@cache
def providers(keys: Path) -> Mapping[str, Provider]:
    """Ours and those of other packages. `keys` is the folder of this issuer's private keys."""
    return {name: kind() for name, kind in registry.other_providers().items()}
