"""Drift: what a claim does with a run whose targets, bindings, rules or policies changed since its plan was made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from procedures.domain.canonical import parse
from procedures.domain.definition import Definition
from procedures.domain.errors import OpsError
from procedures.domain.states import RunState
from procedures.models import Run
from procedures.services import holds, plans, run_policies
from procedures.services.queueing import ask_for_approval
from procedures.services.run_states import end, note


def ask_again(run: Run, definition: Definition, files: Mapping[str, bytes], why: str, at: datetime) -> None:
    """Plan anew; where nobody has to approve, the new plan simply runs (rule 4)."""
    marks = parse(bytes(run.plan))["secrets"]
    try:
        planned = plans.make(run, definition, files, secret_marks=marks, at=at)
    except OpsError as problem:  # a policy that refuses the new plan among them
        end(run, RunState.DENIED, at=at, actor=None, who="claim", message=problem.message)
        return
    holds.write(run, holds.needs_of(run, definition, planned))
    needed = dict(planned.ask.approvals)
    fields: dict[str, Any] = {
        "plan": planned.data,
        "plan_digest": planned.digest,
        "approvals_needed": needed,
        "min_strength": planned.ask.min_strength,
    }
    event = note(
        "run.drifted",
        run,
        at=at,
        actor=None,
        facts={
            "why": why,
            "was": run.plan_digest,
            "plan_digest": planned.digest,
            "approvals": needed,
            **run_policies.told(planned.said),
        },
    )
    run_policies.keep(run, planned.said, event.id, at)
    if needed:
        ask_for_approval(run, at=at, who="claim", **fields)
    else:
        Run.objects.filter(pk=run.pk).update(**fields)
