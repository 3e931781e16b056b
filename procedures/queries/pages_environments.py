"""Environments with their rules, credential bindings, targets and runners."""

from __future__ import annotations

from dataclasses import dataclass

from procedures.domain.errors import NotFound
from procedures.models import ControlChange, CredentialBinding, Environment, PoolKey, Runner, SealedSecret


@dataclass(frozen=True, slots=True)
class Place:
    """An environment and how much hangs on it."""

    environment: Environment
    targets: int
    bindings: int
    runners: list[Runner]


def places() -> list[Place]:
    runners = list(Runner.objects.filter(ended_at__isnull=True).order_by("name"))
    return [
        Place(
            row,
            row.targets.filter(ended_at__isnull=True).count(),
            row.bindings.filter(ended_at__isnull=True).count(),
            [r for r in runners if row.name in r.environments],
        )
        for row in Environment.objects.all()
    ]


def one_environment(name: str) -> Environment:
    row = Environment.objects.filter(pk=name).first()
    if row is None:
        raise NotFound(f"There is no environment {name}.")
    return row


def target_changes_waiting(environment: Environment) -> list[ControlChange]:
    """Proposed changes of this environment's targets, oldest first."""
    rows = ControlChange.objects.filter(control="target", state=ControlChange.State.PROPOSED).order_by("id")
    return list(rows.filter(object__environment=environment.name)[:200])


def bindings_of(environment: Environment) -> list[CredentialBinding]:
    return list(environment.bindings.filter(ended_at__isnull=True).order_by("name"))


def secrets_of(environment: Environment) -> list[SealedSecret]:
    return list(environment.secrets.filter(ended_at__isnull=True).order_by("name"))


def pool_of(environment: str) -> str | None:
    """The public half of the pool's present key, base64; None without one."""
    row = PoolKey.objects.filter(environment_id=environment, ended_at__isnull=True).order_by("-since_at").first()
    return row.public if row else None
