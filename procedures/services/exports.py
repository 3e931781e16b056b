"""Exports: an auditor takes a pack; that they did is evidence too."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from procedures import access
from procedures.access.managing import Reach
from procedures.domain.errors import InvalidInput, NotFound, OpsError
from procedures.evidence import verify
from procedures.evidence.export import export_pack
from procedures.evidence.sampling import draw_sample, fix_population, fixed
from procedures.models import Person
from procedures.queries import auditing
from procedures.queries.populations import in_headers
from procedures.queries.separation import separation
from procedures.services.unit import note_denial

BY_BODY = ("digest", "door")  # filters that bodies decide, and not headers
UNDETERMINED = 3
PURGED = "; their runs were purged: narrow it by a period, a procedure or an environment"


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
    filters = in_headers(wanted)
    file = tempfile.TemporaryFile()  # noqa: SIM115 (whoever asked closes it)
    try:
        told = export_pack(
            file, wanted=filters, exporter=actor.subject, log_key=log_key(), at=at, separation=separation().told
        )
    except BaseException as problem:
        file.close()
        if isinstance(problem, verify.Failed) and problem.code == UNDETERMINED:
            raise InvalidInput(
                [(f"/{name}", problem.reason + PURGED) for name in filters if name in BY_BODY]
            ) from problem
        raise
    file.seek(0)
    return file, told


def fix(*, actor: Person, wanted: Mapping[str, str], at: datetime) -> dict[str, Any]:
    """Fix a population within what somebody audits. Raises NotAllowed, InvalidInput."""
    found = _reach(actor, what="population", at=at)
    filters = in_headers(wanted)
    auditing.require_within(found, filters)
    return fix_population(actor=actor.subject, wanted=filters, at=at)


def draw(*, actor: Person, population: str, nonce: str, count: int, at: datetime, strata: str = "") -> dict[str, Any]:
    """Draw a sample by a nonce within what somebody audits. Raises NotAllowed, InvalidInput, NotFound."""
    found = _reach(actor, what="sample", at=at)
    if not auditing.covers(found, fixed(population)["filter"]):
        raise NotFound("There is no such population.")
    return draw_sample(actor=actor.subject, population=population, nonce=nonce, count=count, strata=strata, at=at)


def _reach(actor: Person, *, what: str, at: datetime) -> Reach:
    """Where somebody audits, who audits anything at all. Raises NotAllowed."""
    try:
        return auditing.reach_of(actor, at)
    except OpsError as refusal:
        note_denial(refusal, what=what, about={"actor": actor})
        raise


def _may(actor: Person, *, what: str, at: datetime) -> None:
    try:
        access.require(actor, "audit", at=at)
    except OpsError as refusal:
        note_denial(refusal, what=what, about={"actor": actor})
        raise
