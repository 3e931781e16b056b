"""Whether anybody comes in by what only the egress process can ask."""

from __future__ import annotations

from procedures.models import IdentityProvider, TrustedIssuer


def needed() -> bool:
    """Whether an identity provider is asked, or an issuer for its keys. SAML and pinned keys ask nobody."""
    asked = IdentityProvider.objects.filter(ended_at__isnull=True).exclude(object__protocol="saml")
    return asked.exists() or TrustedIssuer.objects.filter(ended_at__isnull=True, object__has_key="jwks_uri").exists()
