"""The first start: genesis event, environments, the runner and pool keys, and the shipped runbooks in review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from procedures.definitions.archive import read_folder
from procedures.domain.ids import uuid7
from procedures.evidence.record import record
from procedures.models import Environment, Person, PoolKey, PortalSetting, Procedure, Runner
from procedures.services import versions

ENVIRONMENTS: tuple[dict[str, Any], ...] = (
    {
        "name": "development",
        "title": "Development",
        "position": 1,
        "production": False,
        "drafts": True,
        "approvals": {},
        "min_strength": "session",
        "approval_expiry_s": 86_400,
        "reason_required": False,
    },
    {
        "name": "staging",
        "title": "Staging",
        "position": 2,
        "production": False,
        "drafts": False,
        "approvals": {"high": {"operations": 1}},
        "min_strength": "totp",
        "approval_expiry_s": 86_400,
        "reason_required": True,
    },
    {
        "name": "production",
        "title": "Production",
        "position": 3,
        "production": True,
        "drafts": False,
        "approvals": {"moderate": {"operations": 1}, "high": {"operations": 1}},
        "min_strength": "signed",
        "approval_expiry_s": 86_400,
        "reason_required": True,
    },
)
SYSTEM = (("system:shipped", "Shipped with OpsPortal"), ("system:sweeper", "The sweeper"))


def installed() -> bool:
    return Environment.objects.exists()


@transaction.atomic(durable=True)
def install(
    *,
    runners: Sequence[tuple[Mapping[str, str], Sequence[str]]],
    pools: Mapping[str, tuple[str, str]],
    authorities: Mapping[str, str],
    profile: str,
    at: datetime,
    disposable: Mapping[str, str] | None = None,
) -> None:
    """Write genesis once; safe to repeat. Each of `runners` with the environments that it serves; `disposable` runs
    what nobody reviewed. A runner: id, name, public.

    `pools`: environment → (key id, public key); `authorities`: environment → public key of its certificate authority.
    """
    if installed():
        return
    drafts = [e["name"] for e in ENVIRONMENTS if e["drafts"]]
    every = [*((row, list(where)) for row, where in runners), *([(disposable, drafts)] if disposable else [])]
    genesis = record(
        "genesis",
        actor=None,
        at=at,
        facts={
            "portal": settings.OPSPORTAL_PUBLIC_URL,
            "profile": profile,
            "environments": list(ENVIRONMENTS),
            "runners": [_told(row, where) for row, where in every],
            "keys": [],
            "managers": [],
            "authorities": dict(authorities),
        },
    )
    for fields in ENVIRONMENTS:
        Environment.objects.create(**fields)
    PortalSetting.objects.create(name="profile", value=profile, since_at=at)
    PortalSetting.objects.create(name="ssh-authorities", value=dict(authorities), since_at=at)
    for row, where in every:
        Runner.objects.create(
            id=UUID(row["id"]),
            name=row["name"],
            public=row["public"],
            environments=where,
            disposable=row is disposable,
            event=genesis.id,
            enrolled_at=at,
        )
    for name, (key_id, public) in pools.items():
        PoolKey.objects.create(environment_id=name, key_id=key_id, public=public, since_at=at)
    for username, title in SYSTEM:
        Person.objects.create(username=username, name=title, kind=Person.Kind.SYSTEM, subject=uuid7(), password="!")


def _told(runner: Mapping[str, str], environments: list[str]) -> dict[str, Any]:
    return {
        "runner": runner["id"],
        "name": runner["name"],
        "public": runner["public"],
        "environments": environments,
    }


def submit_shipped(folder: Path, *, at: datetime) -> list[str]:
    """Put each shipped runbook that this portal has never seen into review, author `vendor:opsportal`."""
    new = sorted(path for path in folder.iterdir() if (path / "procedure.yaml").is_file())
    return [path.name for path in new if submit_runbook(path, at=at)]


def submit_runbook(path: Path, *, at: datetime) -> bool:
    """The same for one of them; False if its name is known here."""
    if Procedure.objects.filter(name=path.name).exists():
        return False
    versions.submit_version(
        actor=Person.objects.get(username="system:shipped"),
        files=read_folder(path),
        note="Shipped with OpsPortal.",
        at=at,
        author_label="vendor:opsportal",
    )
    return True
