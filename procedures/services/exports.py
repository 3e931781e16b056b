"""Exports: an auditor takes a pack; that they did is evidence too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from procedures import access
from procedures.domain.errors import InvalidInput, OpsError
from procedures.evidence.export import export_pack
from procedures.models import Environment, Person, Procedure, Run
from procedures.queries.separation import separation
from procedures.services.unit import note_denial

FILTERS = ("from", "to", "procedure", "environment", "run", "requester")


def log_key() -> str:
    """The log's public key, written beside its private one by the sequencer. InvalidInput before its first start."""
    beside = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE).with_suffix(".pub")
    for path in (Path(settings.OPSPORTAL_PUBLIC_DIR) / "evidence.pub", beside):
        try:
            return path.read_text().strip()
        except OSError:
            continue
    raise InvalidInput([("", "the sequencer has never run here, so the log has no key yet")])


def export(*, actor: Person, wanted: Mapping[str, str], at: datetime) -> tuple[bytes, dict[str, Any]]:
    """(pack, summary) for a holder of `audit`, over the whole log or a part of it. Raises NotAllowed, InvalidInput."""
    try:
        access.require(actor, "audit", at=at)
    except OpsError as refusal:
        note_denial(refusal, what="export", about={"actor": actor})
        raise
    filters = _filters(wanted)
    return export_pack(wanted=filters, exporter=actor.subject, log_key=log_key(), at=at, separation=separation().told)


def _filters(wanted: Mapping[str, str]) -> dict[str, str]:
    found = {name: wanted[name] for name in FILTERS if wanted.get(name)}
    if "procedure" in found:
        row = Procedure.objects.filter(name=found["procedure"]).first()
        if row is None:
            raise InvalidInput([("/procedure", f"there is no procedure {found['procedure']!r}")])
        found["procedure"] = str(row.id)
    if "environment" in found and not Environment.objects.filter(pk=found["environment"]).exists():
        raise InvalidInput([("/environment", f"there is no environment {found['environment']!r}")])
    if "run" in found and not Run.objects.filter(pk=found["run"]).exists():
        raise InvalidInput([("/run", "there is no such run")])
    return found
