"""How long a host's certificate lives, and when the next one is made."""

from __future__ import annotations

from datetime import datetime, timedelta

LIFE = timedelta(days=60)
RENEW_BEFORE = timedelta(days=20)


def is_due(expires_at: datetime, *, at: datetime) -> bool:
    """Whether a third of a certificate's life or less is left: enough days to bring the next one to its host."""
    return expires_at - at <= RENEW_BEFORE


def key_id(environment: str, target: str) -> str:
    """What a host's certificate is called in logs."""
    return f"host={target} environment={environment}"
