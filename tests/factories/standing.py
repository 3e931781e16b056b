"""Schedules and hooks, for tests that are about something else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.deliveries import new_pair

COMMON = {"procedure": "hello", "targets": [], "reason": "every night"}
NIGHTLY = {"cron": "30 2 * * *", "zone": "Europe/Berlin"}


def until(days: int) -> str:
    return moment(now() + timedelta(days=days))


def schedule(account: str, digest: str, /, **more: Any) -> dict[str, Any]:
    """A schedule of the shipped greeting, in development unless said otherwise."""
    made = {**COMMON, "name": "nightly", "environment": "development", "account": account, "digest": digest}
    made |= {"parameters": {"name": "world"}, "when": NIGHTLY, "late": "skip", "overlap": "skip"}
    return {**made, "expires_at": until(90), **more}


def hook(account: str, digest: str, /, **more: Any) -> dict[str, Any]:
    """A hook that takes the name to greet from the body."""
    made = {**COMMON, "name": "deployed", "environment": "development", "account": account, "digest": digest}
    made |= {"mapping": {"name": {"pointer": "/who/name"}}, "proof": "ed25519", "keys": [], "a_minute": 6}
    return {**made, "expires_at": until(90), **more}


def wanted(subject: str) -> dict[str, dict[str, Any]]:
    """What an intruder would want of each, in production and for themselves."""
    digest = "sha256:" + "0" * 64
    keys = [{"key": new_pair()[1], "holder": subject}]
    end = {"kind": "schedule", "name": "nightly", "procedure": "hello", "environment": "production", "reason": "away"}
    return {
        "schedule": schedule(subject, digest, environment="production"),
        "hook": hook(subject, digest, environment="production", keys=keys),
        "standing_end": end,
    }
