"""The longest terms that access is given for, as access managers set them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain.grants import TERMS
from procedures.models import ControlChange, PortalSetting


def in_force() -> dict[str, int]:
    """Longest days by kind of access; the defaults until a change says otherwise."""
    row = PortalSetting.objects.filter(pk="terms").first()
    return {**TERMS, **(row.value if row else {})}


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """Grants of before keep their dates; those given from now on keep to these terms."""
    PortalSetting.objects.update_or_create(name="terms", defaults={"value": dict(object), "since_at": at})
