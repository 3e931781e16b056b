"""What this runner can do, as it tells the portal: actions with their bytes, its own software, its broker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings

from procedures.definitions import registry
from procedures.domain import plan
from procedures.engine import draining
from procedures.issuer.greeting import answers
from procedures.issuer.place import path_of
from procedures.runner import mask

PACKAGES = ("opsportal", "procedures")
PROCESS = str(uuid4())


def said(environments: Sequence[str] = ()) -> dict[str, Any]:
    """Everything that a report holds, looked at now. `environments` are those whose issuer this process asks."""
    return {
        "issuer": issuers(environments),
        "actions": registry.action_marks(),
        "software": software_digest(),
        "plan_format": plan.FORMAT,
        "broker": urlsplit(str(settings.CELERY_BROKER_URL)).scheme.partition("+")[0],
        "process": PROCESS,
        "draining": draining.wanted.is_set(),
        "unmasked": list(mask.through()),
    }


def issuers(environments: Sequence[str]) -> dict[str, Any]:
    """Whether the issuers of these environments are apart from this process, and which of them do not answer it."""
    where, data = settings.OPSPORTAL_ISSUER_SOCKET, Path(settings.OPSPORTAL_DATA_DIR)
    away = [name for name in environments if where and not answers(str(path_of(where, name, data)))]
    return {"apart": bool(where), "away": away}


@cache
def software_digest() -> str:
    """A digest of the portal's own files here and of the names and versions of every package beside them.

    It is what people attest at an enrolment. A runner that lies about it is not found out by it.
    """
    found = hashlib.sha256()
    for package in PACKAGES:
        root = Path(settings.BASE_DIR) / package
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            found.update(f"{path.relative_to(root.parent)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for line in sorted({f"{one.name}=={one.version}" for one in distributions()}):
        found.update(line.encode() + b"\n")
    return f"sha256:{found.hexdigest()}"
