"""Opens what was sealed to an environment's pool: static secrets, and those that were asked for at a run's launch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from procedures.domain.canonical import parse
from procedures.domain.sealing import WillNotOpen, unseal
from procedures.domain.secrets import Secret
from procedures.issuer.keys import pool_pairs
from procedures.models import Run, SealedSecret


def sealed_secret(folder: Path, environment: str, name: str) -> Secret:
    """Open a static secret with the pool's key. Raises WillNotOpen."""
    row = SealedSecret.objects.filter(environment_id=environment, name=name, ended_at__isnull=True).first()
    if row is None:
        raise WillNotOpen(f"{environment} holds no sealed secret named {name}.")
    return Secret(opened(folder, row))


def opened(folder: Path, row: SealedSecret) -> bytes:
    """The value of a row, if it was sealed for this very environment and name. Raises WillNotOpen."""
    private = _private(folder, row.environment_id, row.pool_key_id)
    return unseal(private, bytes(row.ciphertext), info=f"secret/{row.environment_id}/{row.name}")


def secrets_of_run(folder: Path, run: Run) -> dict[str, Secret]:
    """What was asked for at a run's launch, opened with its pool's key: the values that its plan names by their marks.

    Anybody can seal to a public key; the salted mark stands in the plan that was approved. Raises WillNotOpen.
    """
    found = {}
    for name, mark in parse(bytes(run.plan))["secrets"].items():
        row = run.sealed_secrets.get(name, {})
        private = _private(folder, run.environment_id, str(row.get("key", "")))
        value = parse(unseal(private, bytes.fromhex(row.get("box", "")), info=f"run-secret/{mark}"))
        if hashlib.sha256(bytes.fromhex(value["salt"]) + value["value"].encode()).hexdigest() != mark:
            raise WillNotOpen(f"The sealed value of {name} is not the one that the plan was made with.")
        found[name] = Secret(value["value"])
    return found


def _private(folder: Path, environment: str, key_id: str) -> X25519PrivateKey:
    pair = pool_pairs(folder, environment).get(key_id)
    if pair is None:
        raise WillNotOpen(f"This issuer does not hold the key {key_id or '(none)'} of {environment}'s pool.")
    return pair.private
