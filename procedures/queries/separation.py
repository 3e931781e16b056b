"""How far this process stands from the keys: tried at start, told on pages and in every evidence file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Separation:
    """`keys` are the key files that this very process can open; `told` is the sentence for people."""

    keys: tuple[Path, ...]
    embedded: bool
    told: str


@cache
def separation() -> Separation:
    """Looked at once per process, by opening each key file."""
    keys, embedded = tuple(readable_keys()), settings.OPSPORTAL_PROFILE != "production"
    if keys:
        told = "none: one OS user holds all keys, and this process could read them"
    elif embedded:
        told = "by the kernel between web and keys; one OS user owns all, and the issuer shares the runner's process"
    else:
        told = "by process: the web tier cannot open a key"
    return Separation(keys, embedded, told)


def readable_keys() -> list[Path]:
    """Key files that this process can open. From the web process each is a breach of separation (decisions.md, 13)."""
    found: list[Path] = []
    for path in _private_keys():
        try:
            path.open("rb").close()
        except OSError:
            continue
        found.append(path)
    return found


def _private_keys() -> list[Path]:
    named = [Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE), Path(settings.OPSPORTAL_RUNNER_KEY_FILE)]
    try:
        kept = sorted(Path(settings.OPSPORTAL_KEYS_DIR).iterdir())
    except OSError:
        kept = []
    return named + [
        path for path in kept if path not in named and path.suffix not in {".pub", ".published", ".new", ".number"}
    ]
