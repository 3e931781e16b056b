"""Identity keys of a test, and a party that trusts an environment as a cloud does: with a library of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from procedures.credentials.oidc_workload import OidcWorkload
from procedures.domain.definition import CredentialNeed
from procedures.domain.identity_tokens import Signer, issuer_of, public_jwk
from procedures.domain.ports import Binding

AUDIENCE, ORIGIN = "sts.amazonaws.com", "https://ops.example.com"
NEED = CredentialNeed("who", "oidc", {"audience": AUDIENCE}, 300)
CEILING = {"env": "ID_TOKEN", "file": "AWS_WEB_IDENTITY_TOKEN_FILE"}


@cache
def key_of(name: str) -> RSAPrivateKey:
    """One for each name, for the life of the process: they take long to make."""
    return generate_private_key(65537, 2048)


@dataclass(slots=True)
class Held:
    """Keys of every environment in memory, in place of the issuer's folder and the portal's table."""

    turned: int = 0

    def signer(self, environment: str, *, at: datetime) -> Signer:
        private = key_of(environment)
        return Signer(issuer_of(ORIGIN, environment), public_jwk(private.public_key())["kid"], private)

    def turn(self) -> None:
        self.turned += 1


def provider() -> OidcWorkload:
    return OidcWorkload(Held(), ORIGIN)


def binding(role: str = AUDIENCE, ceiling: Mapping[str, Any] = CEILING, max_ttl_s: int = 600) -> Binding:
    return Binding("staging", "who", "oidc-workload", role, ceiling, max_ttl_s, {}, "sha256:x")


@dataclass(slots=True)
class Party:
    """Trusts one provider, one audience and subjects that begin so; learns keys over HTTP, from the provider alone."""

    issuer: str
    begins: str = ""
    audience: str = AUDIENCE
    about: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.about = httpx.get(f"{self.issuer}/.well-known/openid-configuration", timeout=60).raise_for_status().json()

    def believes(self, token: str) -> dict[str, Any]:
        """The claims. Raises what PyJWT raises."""
        key = jwt.PyJWKClient(self.about["jwks_uri"], cache_keys=False).get_signing_key_from_jwt(token)
        required = {"require": ["iss", "sub", "aud", "exp", "iat", "nbf", "jti"]}
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=self.about["id_token_signing_alg_values_supported"],
            audience=self.audience,
            issuer=self.about["issuer"],
            options=required,
        )
        if not claims["sub"].startswith(self.begins):
            raise jwt.InvalidTokenError("The trust policy names another subject.")
        return claims
