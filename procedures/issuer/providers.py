"""The credential providers of this issuer, by name, each with what it needs of this host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from procedures.definitions import registry
from procedures.domain.ports import Provider
from procedures.domain.secrets import Secret
from procedures.issuer.identity_keys import IdentityKeys
from procedures.issuer.sealed import sealed_secret


def providers(keys: Path) -> Mapping[str, Provider]:
    """`keys` is the folder of this issuer's private keys."""

    def fetch(environment: str, name: str) -> Secret:
        return sealed_secret(keys, environment, name)

    identity = IdentityKeys(Path(settings.OPSPORTAL_IDENTITY_KEYS_DIR), settings.OPSPORTAL_PUBLIC_URL)
    needs: Mapping[str, tuple[Any, ...]] = {
        "ssh-certificate": (keys, settings.OPSPORTAL_RUNNER_ADDRESS),
        "ssh-key": (fetch, keys, settings.OPSPORTAL_RUNNER_ADDRESS),
        "git-token": (fetch,),
        "git-key": (fetch,),
        "sealed-secret": (fetch,),
        "aws-sts": (fetch,),
        "vault": (fetch, keys / "vault-ca.pem"),
        "kubernetes-token": (fetch, keys / "kubernetes-ca.pem"),
        "oidc-workload": (identity, settings.OPSPORTAL_PUBLIC_URL),
        "postgres-role": (fetch, keys / "postgres-ca.pem"),
    }
    return {name: kind(*needs.get(name, ())) for name, kind in registry.provider_kinds().items()}
