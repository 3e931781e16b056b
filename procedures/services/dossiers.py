"""The dossier of a run: an auditor takes it, and that they did is evidence too."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from procedures import access
from procedures.domain.errors import InvalidInput, OpsError
from procedures.evidence import paper, paper_pdf
from procedures.evidence.record import record
from procedures.models import Person
from procedures.queries import auditing, pages_runs
from procedures.queries.dossier import dossier
from procedures.services.unit import note_denial

FORMS = {"html": paper.as_html, "pdf": paper_pdf.as_pdf}


def run_dossier(*, actor: Person, run: UUID, form: str, at: datetime) -> tuple[bytes, str]:
    """(document, its file name) for somebody who holds `audit` where the run was. `form` is html or pdf.

    Raises NotFound for a run that the actor may not know of, NotAllowed, InvalidInput.
    """
    if form not in FORMS:
        raise InvalidInput([("/form", f"{form!r} is not one of {', '.join(FORMS)}")])
    row = pages_runs.one_run(actor, run, at)
    try:
        if not auditing.audits_run(actor, row, at):
            access.require(actor, "audit", at=at, procedure=row.procedure, environment=row.environment)
    except OpsError as refusal:
        note_denial(refusal, what="dossier", about={"actor": actor})
        raise
    made = FORMS[form](dossier(row, at))
    with transaction.atomic(durable=True):
        facts = {"what": f"dossier as {form}", "run": str(row.pk)}
        record("evidence.read", actor=actor.subject, at=at, procedure=row.procedure_id, facts=facts)
    return made, f"run-{row.no}.{form}"
