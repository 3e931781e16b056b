"""Labels on procedures: set by access managers alone, and what grants that grow go by (rule 17, H12)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.models import ControlChange, Procedure
from procedures.services import grant_rights


def take_effect(change: ControlChange, object: Mapping[str, Any], at: datetime, event: UUID) -> None:
    """A confirmed change of a procedure's labels, and the rights that come and go with them."""
    row = Procedure.objects.select_for_update().get(name=object["procedure"])
    row.labels = sorted(object["labels"])
    row.save(update_fields=["labels"])
    grant_rights.follow(row, at=at)
