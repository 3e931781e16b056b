"""The public keys of an environment's identity tokens, as anybody may see them."""

from __future__ import annotations

from procedures.models import PortalSetting


def shown_keys(environment: str) -> list[dict[str, str]]:
    """Empty where no token was ever signed for this environment, or where there is none of this name."""
    row = PortalSetting.objects.filter(pk="identity-keys").first()
    found: list[dict[str, str]] = row.value.get(environment, []) if row is not None else []
    return found
