"""How far this process stands from the keys: tried at start, told on pages and in every evidence file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings

from procedures.models import Runner

LATELY_S = 30
BESIDE = "the issuer of {} shares its runner's process, so that whoever takes that runner over holds its authority"


@dataclass(frozen=True, slots=True)
class Separation:
    """`keys` are the key files that this very process can open; `told` is the sentence for people."""

    keys: tuple[Path, ...]
    embedded: bool
    told: str
    beside: tuple[str, ...] = ()  # environments whose issuer shares its runner's process, as runners report


def separation() -> Separation:
    """What this process can open, looked at once; and which runners hold what their issuer lends, looked at lately."""
    found = of_this_process()
    if found.embedded or not (names := _beside(int(time.monotonic() // LATELY_S))):
        return found
    return replace(found, told=f"{found.told}; {BESIDE.format(', '.join(names))}", beside=names)


@lru_cache(maxsize=1)
def _beside(lately: int) -> tuple[str, ...]:
    """Environments one of whose runners says that its issuer is no process of its own; it may be wrong or lie."""
    rows = Runner.objects.filter(ended_at__isnull=True, disposable=False).values_list("environments", "reported")
    mine = {name for names, said in rows for name in names if said and not said.get("issuer", {}).get("apart")}
    return tuple(sorted(mine))


@cache
def of_this_process() -> Separation:
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
