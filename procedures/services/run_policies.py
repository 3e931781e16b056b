"""Policies on a run: asked when it is requested, on its frozen plan, and on the plan again at the claim (rule 15).

What a run calls is asked about as if it were run by itself, with its own name, parameters and targets (rule 13), and
all answers count together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from procedures.domain import uploads
from procedures.domain.calls import Frame
from procedures.domain.canonical import canon, parse
from procedures.domain.definition import Definition
from procedures.domain.plan import Ask
from procedures.domain.policies import Decision, PolicySet, Stage, merged
from procedures.domain.ports import Target
from procedures.domain.profiles import approvals_union
from procedures.models import PolicyDecision, Run
from procedures.policy import decide, documents
from procedures.queries.policies import standing
from procedures.services.policies import PolicyDenied, person, place

NOTHING = Decision("plan")
Definitions = Mapping[str, Definition]


def request_said(
    run: Run, definition: Definition, targets: Sequence[Target], secrets: Sequence[str], *, at: datetime
) -> Decision:
    """What policies say of a request. Raises PolicyDenied."""
    policies = standing()
    if not policies.concerned("request", [run.environment_id]):
        return Decision("request")
    taken = uploads.taken(definition.parameters, run.parameters)
    asked = documents.request_document(
        definition,
        version={"digest": run.digest, "risk": run.risk},
        place=place(run.environment),
        requester=person(run.requester),
        door=run.door,
        reason=run.reason,
        parameters=taken.parameters,
        files=taken.facts,
        secrets=secrets,
        targets=[documents.target(one) for one in targets],
        now=documents.clock(at, policies),
    )
    return _asked(run, policies, "request", [asked], at)


def planned(
    run: Run, definition: Definition, ask: Ask, frames: Mapping[str, Frame], plan: bytes, *, at: datetime
) -> tuple[bytes, dict[str, int], Decision]:
    """(plan, approvals, what policies say of it). Raises PolicyDenied.

    The plan names the policies in force and what they ask for, so that under other ones it is another plan. What they
    warn of is not in it: that may change by the minute.
    """
    policies = standing()
    asked, concerned = required_of(run), policies.concerned("plan", [run.environment_id])
    if not asked and not concerned:
        return plan, dict(ask.approvals), NOTHING
    value, said = parse(plan), NOTHING
    if concerned:
        definitions = {"": definition, **{prefix: frame.definition for prefix, frame in frames.items()}}
        said = _asked(run, policies, "plan", documents_of(run, value, definitions, policies, at), at)
    approvals = approvals_union(ask.approvals, asked, said.required)
    value |= {"approvals": approvals, "policy": {"policies": policies.digest, "required": dict(said.required)}}
    return canon(value), approvals, said


def require_calls(run: Run, frames: Mapping[str, Frame], *, at: datetime) -> None:
    """Each procedure that a planned run calls might have been asked for by itself. Raises PolicyDenied."""
    policies = standing()
    if not frames or not policies.concerned("request", [run.environment_id]):
        return
    definitions = {"": frames[next(iter(frames))].definition}
    definitions |= {prefix: frame.definition for prefix, frame in frames.items()}
    called = documents_of(run, parse(bytes(run.plan)), definitions, policies, at)[1:]
    _asked(run, policies, "request", [documents.as_request(one) for one in called], at)


def required_of(run: Run) -> dict[str, int]:
    """Approvers whom policies asked for when the run was requested."""
    rows = PolicyDecision.objects.filter(run=run, stage="request").values_list("required", flat=True)
    return approvals_union(*rows)


def keep(run: Run, said: Decision, event: UUID, at: datetime) -> None:
    """Beside the event that tells of it. What no policy was concerned with is not kept."""
    if said.input:
        PolicyDecision.objects.create(run=run, event=event, at=at, **said.facts())


def told(said: Decision) -> dict[str, Any]:
    """As an event of the run carries it."""
    return {"policy": said.facts()} if said.input else {}


def documents_of(
    run: Run, plan: Mapping[str, Any], definitions: Definitions, policies: PolicySet, at: datetime
) -> list[dict[str, Any]]:
    """What a run's plan is asked about: the run itself, then each procedure that it calls."""
    return documents.plan_documents(
        plan,
        definitions,
        place=place(run.environment),
        requester=person(run.requester),
        door=run.door,
        now=documents.clock(at, policies),
    )


def _asked(run: Run, policies: PolicySet, stage: Stage, rows: Sequence[Mapping[str, Any]], at: datetime) -> Decision:
    where = [run.environment_id]
    said = merged(stage, [decide(policies, stage, row, at=at, environments=where) for row in rows])
    if said.denied:
        raise PolicyDenied(said, f"{run.procedure.name} in {run.environment_id}")
    return said
