"""Exports: an auditor takes a pack; that they did is evidence too."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from procedures import access
from procedures.domain.errors import InvalidInput, OpsError
from procedures.evidence.export import export_pack
from procedures.evidence.record import pseudonym
from procedures.evidence.sampling import draw_sample, fix_population
from procedures.evidence.verify import FILTERS
from procedures.models import Environment, Person, Procedure, Run
from procedures.queries.separation import separation
from procedures.services.unit import note_denial


def log_key() -> str:
    """The log's public key, written beside its private one by the sequencer. InvalidInput before its first start."""
    beside = Path(settings.OPSPORTAL_EVIDENCE_KEY_FILE).with_suffix(".pub")
    for path in (Path(settings.OPSPORTAL_PUBLIC_DIR) / "evidence.pub", beside):
        try:
            return path.read_text().strip()
        except OSError:
            continue
    raise InvalidInput([("", "the sequencer has never run here, so the log has no key yet")])


def export(*, actor: Person, wanted: Mapping[str, str], at: datetime) -> tuple[BinaryIO, dict[str, Any]]:
    """(pack, summary) for a holder of `audit`, over the whole log or a part of it. The file is gone once it is closed.

    Raises NotAllowed, InvalidInput, NotFound, NotSequenced, PackTooBig.
    """
    _may(actor, what="export", at=at)
    filters = _filters(wanted)
    file = tempfile.TemporaryFile()  # noqa: SIM115 (whoever asked closes it)
    try:
        told = export_pack(
            file, wanted=filters, exporter=actor.subject, log_key=log_key(), at=at, separation=separation().told
        )
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file, told


def fix(*, actor: Person, wanted: Mapping[str, str], at: datetime) -> dict[str, Any]:
    """Fix a population for a holder of `audit`. Raises NotAllowed, InvalidInput."""
    _may(actor, what="population", at=at)
    return fix_population(actor=actor.subject, wanted=_filters(wanted), at=at)


def draw(*, actor: Person, population: str, nonce: str, count: int, at: datetime) -> dict[str, Any]:
    """Draw a sample by a nonce for a holder of `audit`. Raises NotAllowed, InvalidInput, NotFound."""
    _may(actor, what="sample", at=at)
    return draw_sample(actor=actor.subject, population=population, nonce=nonce, count=count, at=at)


def _may(actor: Person, *, what: str, at: datetime) -> None:
    try:
        access.require(actor, "audit", at=at)
    except OpsError as refusal:
        note_denial(refusal, what=what, about={"actor": actor})
        raise


def _filters(wanted: Mapping[str, str]) -> dict[str, str]:
    found = {name: wanted[name] for name in FILTERS if wanted.get(name)}
    if "procedure" in found:
        row = Procedure.objects.filter(name=found["procedure"]).first()
        if row is None:
            raise InvalidInput([("/procedure", f"there is no procedure {found['procedure']!r}")])
        found["procedure"] = str(row.id)
    if "requester" in found:
        person = Person.objects.filter(username=found["requester"]).first()
        if person is None:
            raise InvalidInput([("/requester", f"there is nobody called {found['requester']!r}")])
        found["requester"] = pseudonym(person.subject)
    if "environment" in found and not Environment.objects.filter(pk=found["environment"]).exists():
        raise InvalidInput([("/environment", f"there is no environment {found['environment']!r}")])
    if "run" in found and not Run.objects.filter(pk=found["run"]).exists():
        raise InvalidInput([("/run", "there is no such run")])
    return found
