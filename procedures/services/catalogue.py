"""The catalogue's entries: registered by runs, each under the one place that described it first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from procedures.domain.errors import OpsError
from procedures.domain.ports import Described
from procedures.models import Entity
from procedures.services.holding import hold_part
from procedures.services.run_states import note


class EntityElsewhere(OpsError):
    """Two descriptors in two places declare the same entity (H11)."""

    code = "catalogue.entity-elsewhere"
    next_step = "Give the entity another name, or change the descriptor that is registered already."


class EntityOfDraft(OpsError):
    """A draft tries something out; what it makes is not in the catalogue."""

    code = "catalogue.entity-of-draft"
    next_step = "Submit the version; an accepted one registers."


def register(*, run: UUID, token: UUID, step: str, described: Sequence[Described], at: datetime) -> None:
    """Write every entity of one descriptor, or none. Raises ClaimLost, EntityElsewhere, EntityOfDraft."""
    with transaction.atomic(durable=True):
        row = hold_part(run, token)
        if row.draft:
            raise EntityOfDraft("A draft's run registers nothing.")
        for one in described:
            known = Entity.objects.select_for_update().filter(ref=one.ref).first()
            if known is not None and known.place != one.place:
                raise EntityElsewhere(f"{one.ref} is described by {known.place} already.")
            Entity.objects.update_or_create(
                ref=one.ref,
                defaults={
                    "place": one.place,
                    "descriptor_sha256": one.descriptor_sha256,
                    "commit": one.commit,
                    "document": dict(one.document),
                    "run": row,
                    "registered_at": at,
                },
            )
            facts = {"ref": one.ref, "place": one.place, "step": step, "commit": one.commit}
            note(
                "entity.registered",
                row,
                at=at,
                actor=None,
                facts={**facts, "descriptor_sha256": one.descriptor_sha256},
            )
