"""A pool's public keys and what is sealed to them, as its issuer turns them: each change with its event."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from procedures.domain.states import TERMINAL_RUN_STATES
from procedures.evidence.record import record
from procedures.models import PoolKey, Run, SealedSecret

ON_THE_WAY = timedelta(minutes=10)  # what a process or a person sealed to the key that it read a moment ago arrives
OVER = [state.value for state in TERMINAL_RUN_STATES]


def living(environment: str) -> list[PoolKey]:
    """Keys to which something may be sealed, the one to which it is sealed from now on first."""
    return list(PoolKey.objects.filter(environment=environment, ended_at__isnull=True).order_by("-since_at", "-id"))


def show(environment: str, *, key_id: str, public: str, at: datetime) -> bool:
    """From now on everything is sealed to this key; once. False if it was shown before, be it that it has ended."""
    with transaction.atomic(durable=True):
        was = [row.key_id for row in living(environment)]
        _, made = PoolKey.objects.get_or_create(
            key_id=key_id, defaults={"environment_id": environment, "public": public, "since_at": at}
        )
        if made:
            facts = {"environment": environment, "key_id": key_id, "public": public, "was": was}
            record("pool.key_shown", actor=None, at=at, facts=facts)
        return made


def sealed_to_others(environment: str, key_id: str) -> list[SealedSecret]:
    """Living secrets there that are sealed to another key than this."""
    rows = SealedSecret.objects.filter(environment=environment, ended_at__isnull=True)
    return list(rows.exclude(pool_key_id=key_id).order_by("name"))


def sealed_anew(row: SealedSecret, *, key_id: str, ciphertext: bytes, at: datetime) -> bool:
    """The same value under another key. False if somebody gave it another value, or sealed it anew, meanwhile."""
    with transaction.atomic(durable=True):
        same = SealedSecret.objects.filter(pk=row.pk, ended_at__isnull=True, pool_key_id=row.pool_key_id)
        if not same.update(ciphertext=ciphertext, pool_key_id=key_id):
            return False
        facts = {"environment": row.environment_id, "name": row.name, "revision": row.revision, "key_id": key_id}
        sha256 = hashlib.sha256(ciphertext).hexdigest()
        record("secret.sealed_anew", actor=None, at=at, facts={**facts, "was": row.pool_key_id, "sha256": sha256})
        return True


def end_unused(environment: str, *, at: datetime) -> list[str]:
    """End the keys before the present one to which nothing is sealed any more. Returns their ids."""
    present, *before = living(environment)
    if present.since_at > at - ON_THE_WAY:
        return []
    return [row.key_id for row in before if not _needed(row) and _end(row, at)]


def _needed(row: PoolKey) -> bool:
    secrets = SealedSecret.objects.filter(environment=row.environment_id, ended_at__isnull=True)
    if secrets.filter(pool_key_id=row.key_id).exists():
        return True
    runs = Run.objects.filter(~Q(state__in=OVER) | Q(secrets_until_at__isnull=False), environment=row.environment_id)
    boxes = runs.exclude(sealed_secrets={}).values_list("sealed_secrets", flat=True)
    return any(box.get("key") == row.key_id for sealed in boxes for box in sealed.values())


def _end(row: PoolKey, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        if not PoolKey.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=at):
            return False
        facts = {"environment": row.environment_id, "key_id": row.key_id}
        record("pool.key_ended", actor=None, at=at, facts=facts)
        return True
