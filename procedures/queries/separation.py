"""How far this process stands from the keys: tried at start, told on pages and in every evidence file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from procedures.models import Runner

LATELY_S = 30
OWNED = "the web tier comes to the database as the owner of its tables, so that whoever takes it over writes every row"
BESIDE = "the issuer of {} shares its runner's process, so that whoever takes that runner over holds its authority"


@dataclass(frozen=True, slots=True)
class Separation:
    """`keys` are the key files that this very process can open; `told` is the sentence for people."""

    keys: tuple[Path, ...]
    embedded: bool
    told: str
    beside: tuple[str, ...] = ()  # environments whose issuer shares its runner's process, as runners report


def separation() -> Separation:
    """What this process can open, looked at once; which runners hold what their issuer lends, and whether it may
    write every row of the database, looked at lately.
    """
    found, lately = of_this_process(), int(time.monotonic() // LATELY_S)
    if found.embedded:
        return found
    names, told = _beside(lately), [found.told]
    told += [BESIDE.format(", ".join(names))] if names else []
    told += [OWNED] if _owned(lately) else []
    return replace(found, told="; ".join(told), beside=names)


@lru_cache(maxsize=1)
def _owned(lately: int) -> bool:
    """Whether this process came as the owner of the tables, as where all parts share one login."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('procedures_run')")
        return bool(cursor.fetchone()[0])


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
    log_key = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE)
    named = [log_key, log_key.with_suffix(".mldsa"), Path(settings.OPSPORTAL_RUNNER_KEY_FILE)]
    try:
        kept = sorted(Path(settings.OPSPORTAL_KEYS_DIR).iterdir())
    except OSError:
        kept = []
    return named + [
        path for path in kept if path not in named and path.suffix not in {".pub", ".published", ".new", ".number"}
    ]
