"""Targets of a run that the inventory ended or replaced since its plan was made (H41)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from procedures.domain.ports import Target
from procedures.models import Target as TargetRow
from procedures.services.claims import hold
from procedures.services.run_states import note
from procedures.services.steady import steadily


def moved(*, run: UUID, token: UUID, targets: Sequence[Target], batch: int, at: datetime) -> dict[str, str]:
    """Those of a run's targets that the inventory ended or replaced since its plan, each with why; one event (H41)."""
    return steadily(lambda: _moved(run, token, targets, batch, at))


def _moved(run: UUID, token: UUID, targets: Sequence[Target], batch: int, at: datetime) -> dict[str, str]:
    with transaction.atomic(durable=True):
        row = hold(run, token)
        rows = TargetRow.objects.filter(environment=row.environment, ended_at__isnull=True)
        now = {one.name: one for one in rows.filter(name__in=[target.name for target in targets])}
        found = {one.name: why for one in targets if (why := _changed(one, now.get(one.name)))}
        if found:
            note("run.targets_changed", row, at=at, actor=None, facts={"batch": batch, "targets": found})
        return found


def _changed(planned: Target, row: TargetRow | None) -> str:
    if row is None:
        return "The inventory no longer has this target."
    if row.host_key != planned.host_key:
        return "Another host key was confirmed for this target since the run was planned."
    if row.host_authority != planned.host_authority:
        return "This target must prove itself in another way than when the run was planned."
    if (row.address, row.port) != (planned.address, planned.port):
        return f"This target moved from {planned.address}:{planned.port} to {row.address}:{row.port} meanwhile."
    return ""
