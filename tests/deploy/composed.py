"""docker-compose.yml as a reader of it sees it: variables filled in, merges done."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = ("development", "staging", "production")
ISSUERS = tuple(f"issuer-{name}" for name in ENVIRONMENTS)
WORKERS = (
    "web",
    "egress",
    "scheduler",
    "sequencer",
    "disposable",
    *ISSUERS,
    *(f"runner-{name}" for name in ENVIRONMENTS),
)
DEFAULT = re.compile(r"\$\{[A-Z_]+:-([^}]*)\}")


@cache
def composed(file: str = "docker-compose.yml") -> dict[str, Any]:
    """The file with each variable at its default and each `$$` as the one `$` that it stands for."""
    text = DEFAULT.sub(lambda found: found.group(1), (ROOT / file).read_text())
    whole: dict[str, Any] = yaml.safe_load(text.replace("$$", "$"))
    return {name: part for name, part in whole.items() if not name.startswith("x-")}


def services() -> dict[str, Any]:
    found: dict[str, Any] = composed()["services"]
    return found


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """Volume → (where it is mounted, whether it may be written)."""
    found = {}
    for row in services()[name].get("volumes", []):
        source, place, *mode = row.split(":")
        found[source] = (place, mode != ["ro"])
    return found
