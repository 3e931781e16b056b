"""Whether a runner may take a run, before anything of the run is looked at; who may not leaves it as it is.

A runner that nobody enrolled, that was ended or that belongs to another pool denies nobody's run by asking for it: its
attempt is evidence, and the run goes on waiting for one of its own pool.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from procedures.domain.capabilities import lacks
from procedures.evidence.models import Event
from procedures.evidence.queries import enrolled_runner
from procedures.evidence.record import record
from procedures.models import Run, Runner
from procedures.queries.capabilities import ability_of, need_of
from procedures.services import telling


def unfit(run: Run, runner: Runner, at: datetime) -> str:
    """Why this runner may not take this run, or "". Call inside the transaction of the claim."""
    if why := _stranger(run, runner):
        _note(run, runner, why, at)
        return why
    return "" if run.draft else lacks(need_of(run), ability_of(runner))


def _stranger(run: Run, runner: Runner) -> str:
    row = Runner.objects.filter(pk=runner.pk).first()
    if row is None or row.ended_at is not None:
        return f"The runner {runner.name} was ended, or never enrolled."
    said = enrolled_runner(row.pk, row.event)
    if said is None or said["public"] != row.public or set(row.environments) - set(said["environments"]):
        return f"The evidence log holds no enrolment of the runner {row.name} as the table has it."
    if set(row.zones) - set(said.get("zones", [])) or row.attested != said.get("software", []):
        return f"The zones or the software of {row.name} in the table are not those that were signed."
    if run.environment_id not in row.environments:
        return f"The runner {row.name} does not serve {run.environment_id}."
    return ""


def _note(run: Run, runner: Runner, why: str, at: datetime) -> None:
    """Once for each run and runner: who asks again and again fills no log."""
    if not _said(run.pk, str(runner.pk)):
        facts = {"runner": str(runner.pk), "environment": run.environment_id, "why": why}
        record("run.claim_refused", actor=None, at=at, run=run.pk, procedure=run.procedure_id, facts=facts)
        telling.runner_refused(run, runner, at=at)


def _said(run: UUID, runner: str) -> bool:
    rows = Event.objects.filter(run=run, kind="run.claim_refused").values_list("body", flat=True)
    return any(runner.encode() in bytes(body) for body in rows)
