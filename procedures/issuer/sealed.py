"""Opens what was sealed to an environment's pool: static secrets, and those that were asked for at a run's launch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from procedures.domain.canonical import parse
from procedures.domain.sealing import WillNotOpen, unseal
from procedures.domain.secrets import Secret
from procedures.issuer.keys import pool_key
from procedures.models import Run, SealedSecret


def sealed_secret(folder: Path, environment: str, name: str) -> Secret:
    """Open a static secret with the pool's key. Raises WillNotOpen."""
    row = SealedSecret.objects.filter(environment_id=environment, name=name, ended_at__isnull=True).first()
    if row is None:
        raise WillNotOpen(f"{environment} holds no sealed secret named {name}.")
    _, _, private = pool_key(folder, environment)
    return Secret(unseal(private, bytes(row.ciphertext), info=f"secret/{environment}/{name}"))


def secrets_of_run(folder: Path, run: Run) -> dict[str, Secret]:
    """What was asked for at a run's launch, opened with its pool's key: the values that its plan names by their marks.

    Anybody can seal to a public key; the salted mark stands in the plan that was approved. Raises WillNotOpen.
    """
    found = {}
    for name, mark in parse(bytes(run.plan))["secrets"].items():
        row = run.sealed_secrets.get(name, {})
        _, _, private = pool_key(folder, run.environment_id)
        value = parse(unseal(private, bytes.fromhex(row.get("box", "")), info=f"run-secret/{mark}"))
        if hashlib.sha256(bytes.fromhex(value["salt"]) + value["value"].encode()).hexdigest() != mark:
            raise WillNotOpen(f"The sealed value of {name} is not the one that the plan was made with.")
        found[name] = Secret(value["value"])
    return found
