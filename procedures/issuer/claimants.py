"""Who stands behind a question about a run: its claim or a batch of it, and the runner that holds that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from procedures.domain import plan
from procedures.domain import stops as rules
from procedures.domain.canonical import parse
from procedures.domain.controls import Authority
from procedures.domain.lending import Lend, Open
from procedures.domain.states import RunState
from procedures.issuer.refusals import LeaseRefused, NotYours
from procedures.models import Run, Runner, StepBatch
from procedures.queries import stops
from procedures.services.claims import Claimed


def claimed_by(asked: Lend | Open) -> tuple[Run, Runner]:
    """The run as it stands now, and the runner that holds this very claim or this step and target of it.

    Raises LeaseRefused.
    """
    with transaction.atomic():
        rows = Run.objects.select_related("environment", "procedure", "version", "requester", "claim__runner")
        run = rows.filter(pk=asked.run).first()
    if run is None:
        raise LeaseRefused("There is no such run.")
    runner = _holder(run, asked) if run.state == RunState.RUNNING and hasattr(run, "claim") else None
    if runner is None:
        raise LeaseRefused(f"Run #{run.no} is not running under this claim.")
    if run.environment_id not in runner.environments:
        raise LeaseRefused(f"The runner {runner.name} does not serve {run.environment_id}.")
    return run, runner


def _holder(run: Run, asked: Lend | Open) -> Runner | None:
    if run.claim.token == asked.claim:
        found: Runner = run.claim.runner
        return found
    taken = StepBatch.objects.filter(run=run, claim=run.claim.token, token=asked.claim, state=StepBatch.State.TAKEN)
    row = taken.select_related("runner").first()
    if row is None or (isinstance(asked, Lend) and (row.step != asked.step or asked.target not in row.labels)):
        return None
    return row.runner


def require_served(environment: str, only: str) -> None:
    """An issuer of one environment lends nothing of another (rule 18). `only` "" serves each."""
    if only and environment != only:
        raise NotYours(f"This is the issuer of {only}; the run is of {environment}.")


def approved_plan(run: Run) -> Mapping[str, Any]:
    """The run's plan, if its bytes are those that were approved. Raises LeaseRefused."""
    if plan.plan_digest(bytes(run.plan)) != run.plan_digest:
        raise LeaseRefused("The stored plan is not the one that was approved.")
    found: Mapping[str, Any] = parse(bytes(run.plan))
    return found


def require_not_stopped(authority: Authority, claimed: Claimed) -> None:
    """Neither a table nor the log holds a stop of this run or of what it calls (rules 15 and 20).

    What the log says was stopped, and not lifted by a change that stands, is stopped whatever the table says.
    """
    frames = claimed.frames.values()
    if (halted := stops.of_run(claimed.run, [frame.version for frame in frames])) is not None:
        raise LeaseRefused(f"{halted.what} is stopped.")
    names = [claimed.definition.name, *(frame.definition.name for frame in frames)]
    if found := rules.covering(authority.stops, claimed.run.environment_id, names):
        raise LeaseRefused(f"{found} is stopped, as the evidence says.")


def planned_step(approved: Mapping[str, Any], asked: Lend) -> Mapping[str, Any]:
    """The plan's row of a step, if it uses this credential there, so often. Raises LeaseRefused."""
    row: Mapping[str, Any] | None = next((one for one in approved["steps"] if one["id"] == asked.step), None)
    if row is None:
        raise LeaseRefused(f"The plan has no step {asked.step}.")
    delivers = {result["credential"] for result in row.get("results", ()) if "credential" in result}
    if asked.credential not in {*row["credentials"], *delivers}:
        raise LeaseRefused(f"The plan's step {asked.step} uses no credential {asked.credential}.")
    if not any(asked.target in effect["targets"] for effect in row["effects"]):
        raise LeaseRefused(f"The plan's step {asked.step} does not act on {asked.target or 'no target'}.")
    if not 1 <= asked.attempt <= row["attempts"]:
        raise LeaseRefused(f"The plan allows {row['attempts']} attempts of {asked.step}.")
    return row
