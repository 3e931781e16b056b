"""The first start of the embedded default: keys for the runner and its pools, genesis, shipped runbooks in review."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from procedures.domain.clock import now
from procedures.runner.identity import DISPOSABLE, load_identity, pool_key
from procedures.services.install import ENVIRONMENTS, install, installed, submit_shipped
from procedures.ssh.authority import load_ca


def ca_public(folder: Path, environment: str) -> str:
    """The public key that targets of an environment are told to trust; its private half is made on first use."""
    key = load_ca(folder / f"ssh-ca-{environment}").public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def install_here() -> None:
    """Make what a new portal needs; safe to repeat."""
    folder = Path(settings.OPSPORTAL_KEYS_DIR)
    if not installed():
        me, pool = load_identity(folder), load_identity(folder, name=DISPOSABLE)
        pools = {e["name"]: pool_key(folder, e["name"])[:2] for e in ENVIRONMENTS}
        install(
            runner={"id": str(me.id), "name": me.name, "public": me.public},
            disposable={"id": str(pool.id), "name": pool.name, "public": pool.public},
            pools=pools,
            authorities={e["name"]: ca_public(folder, e["name"]) for e in ENVIRONMENTS},
            profile=settings.OPSPORTAL_REVIEW_PROFILE,
            at=now(),
        )
    runbooks = Path(settings.OPSPORTAL_RUNBOOKS_DIR)
    if runbooks.is_dir():
        submit_shipped(runbooks, at=now())
