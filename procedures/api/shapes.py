"""How things look in answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from procedures.domain.queue_order import word
from procedures.domain.readable import words
from procedures.evidence.pulse import Pulse
from procedures.evidence.witnessed import Witnessed
from procedures.models import Artifact, ControlChange, Grant, Person, Procedure, Run, SecretResult, Task, Trial, Version
from procedures.queries import pages_runs
from procedures.queries.agents import asker
from procedures.queries.policies import told
from procedures.queries.retention import kept
from procedures.queries.trials import standing
from procedures.queries.would_allow import WouldAllow


def at(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def person(row: Person) -> dict[str, Any]:
    return {"subject": str(row.subject), "username": row.username, "name": row.name, "kind": row.kind}


def procedure(row: Procedure) -> dict[str, Any]:
    accepted = row.versions.filter(state="accepted").first()
    return {
        "id": str(row.id),
        "name": row.name,
        "title": row.title,
        "description": row.description,
        "owner": row.owner,
        "labels": row.labels,
        "accepted": version(accepted) if accepted else None,
    }


def version(row: Version, *, whole: bool = False) -> dict[str, Any]:
    found = {
        "id": str(row.id),
        "procedure": row.procedure.name,
        "number": row.number,
        "digest": row.digest,
        "state": row.state,
        "draft": row.draft,
        "risk": row.risk,
        "risk_reasons": row.risk_reasons,
        "findings": row.findings,
        "submitted_by": row.submitter.username,
        "author": row.author_label or row.submitter.username,
        "submitted_at": at(row.submitted_at),
        "note": row.note,
        "accepted_at": at(row.accepted_at),
        "expires_at": at(row.expires_at),
        "tests": standing(row),
        "policy": policy(row),
    }
    if whole:
        found |= {
            "definition": row.definition,
            "trials": [trial(one) for one in row.trials.order_by("-id")],
            "files": [
                {"path": f.path, "bytes": f.size_bytes, "sha256": f.content_sha256} for f in row.files.order_by("path")
            ],
            "reviews": [
                {
                    "reviewer": r.reviewer.username,
                    "verdict": r.verdict,
                    "duties": r.duties,
                    "strength": r.strength,
                    "comment": r.comment,
                    "at": at(r.at),
                }
                for r in row.reviews.select_related("reviewer").order_by("at")
            ],
        }
    return found


def policy(of: Version | Run) -> dict[str, Any] | None:
    """What the policies in force last said; null where none was concerned."""
    found = told(of)
    return found and {**found, "at": at(found["at"])}


def trial(row: Trial) -> dict[str, Any]:
    """One go of a version's own tests."""
    return {
        "id": str(row.id),
        "state": row.state,
        "digest": row.digest,
        "results": row.results,
        "message": row.message,
        "software": row.software,
        "tier": row.tier,
        "asked_by": row.asked_by.username if row.asked_by else None,
        "asked_at": at(row.asked_at),
        "ended_at": at(row.ended_at),
    }


def witnessed(found: Witnessed | None) -> dict[str, Any] | None:
    """How far witnesses vouch for the log; None where it has none."""
    if found is None:
        return None
    whole = {"level": found.level, "size": found.size, "at": at(found.at), "behind_since": at(found.behind_since)}
    rows = [
        {
            "key": one.key,
            "size": one.size,
            "cosigned_at": at(one.cosigned_at),
            "silent_since": at(one.silent_since),
            "forgot_at": at(one.forgot_at),
            "problem": one.problem,
        }
        for one in found.witnesses
    ]
    return {**whole, "checkpoint": found.note, "witnesses": rows}


def run(row: Run, *, url: str) -> dict[str, Any]:
    link = f"/api/v1/runs/{row.id}/"
    return {
        "id": str(row.id),
        "no": row.no,
        "procedure": row.procedure.name,
        "digest": row.digest,
        "draft": row.draft,
        "environment": row.environment_id,
        "requester": row.requester.username,
        "asked_by": asker(row.requester),
        "reason": row.reason,
        "parameters": row.parameters,
        "risk": row.risk,
        "state": row.state,
        "message": row.message,
        "plan_digest": row.plan_digest,
        "approvals_needed": row.approvals_needed,
        "policy": policy(row),
        "output": row.output,
        "printed": {**row.readable.facts(), "marks": row.marks, "says": words(row.readable, row.marks)},
        "created_at": at(row.requested_at),
        "started_at": at(row.started_at),
        "ended_at": at(row.ended_at),
        "kept": kept(row),
        "waiting_gate": row.waiting_gate,
        "priority": word(row.priority),
        "paused": _paused(row),
        "asks": pages_runs.asks(row),
        "not_touched": list(row.output.get("excluded", [])),
        "again_of": str(row.again_of_id) if row.again_of_id else None,
        "continues": str(row.continues_id) if row.continues_id else None,
        "min_strength": row.min_strength,
        "url": f"{url}/runs/{row.id}/",
        "links": {"self": link, "plan": f"{link}plan/", "tasks": f"{link}tasks/", "log": f"{link}log/"},
    }


def _paused(row: Run) -> dict[str, Any] | None:
    """Who asked the run to stand still, why, and since and until when it does; None where nobody did."""
    if row.pause_asked_by is None:
        return None
    return {
        "by": row.pause_asked_by.username,
        "reason": row.pause_reason,
        "asked_at": at(row.pause_asked_at),
        "since": at(row.paused_at),
        "until": at(row.waiting_until_at) if row.paused_at else None,
    }


def task(row: Task) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "step": row.step,
        "phase": row.phase,
        "target": row.target,
        "attempt": row.attempt,
        "batch": row.batch,
        "state": row.state,
        "exit_status": row.exit_status,
        "message": row.message,
        "remote": row.remote,
        "carried": str(row.carried_id) if row.carried_id else None,
        "output": row.output,
        "started_at": at(row.started_at),
        "ended_at": at(row.ended_at),
    }


def artifact(row: Artifact) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "type": row.type,
        "step": row.task.step,
        "target": row.task.target,
        "attempt": row.task.attempt,
        "bytes": row.size_bytes,
        "sha256": row.content_sha256,
        "masked": row.masked,
        "made_at": at(row.made_at),
        "expires_at": at(row.expires_at),
        "erased_at": at(row.erased_at),
    }


def secret_result(row: SecretResult) -> dict[str, Any]:
    """Where a secret result is; `recipients` are pairs of a subject and the fingerprint of that person's key."""
    return {
        "id": str(row.id),
        "name": row.name,
        "deliver": row.deliver,
        "classification": row.classification,
        "where": row.where,
        "state": row.state,
        "why": row.why,
        "step": row.task.step,
        "target": row.task.target,
        "attempt": row.task.attempt,
        "recipients": row.recipients,
        "sha256": row.content_sha256,
        "made_at": at(row.made_at),
        "expires_at": at(row.expires_at),
        "ended_at": at(row.ended_at),
    }


def change(row: ControlChange) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "control": row.control,
        "object": row.object,
        "state": row.state,
        "production": row.production,
        "proposer": row.proposer.username,
        "signatures": len(row.signatures),
        "proposed_at": at(row.proposed_at),
        "decided_at": at(row.decided_at),
    }


def would_allow(found: WouldAllow) -> dict[str, Any]:
    """Counts are whole, lists hold at most 50."""
    return {
        "procedures": {
            "every": found.every,
            "grows": found.grows,
            "count": found.procedure_count,
            "names": [row.name for row in found.procedures],
        },
        "people": {"count": found.people_count, "usernames": [row.username for row in found.people]},
        "targets": {
            "count": found.target_count,
            "matching": [{"name": row.name, "environment": row.environment_id} for row in found.targets],
        },
        "held": [grant(row) for row in found.held],
    }


def grant(row: Grant) -> dict[str, Any]:
    who = f"person:{row.person.username}" if row.person else f"group:{row.group.name if row.group else ''}"
    return {
        "id": str(row.id),
        "principal": who,
        "verbs": row.verbs,
        "procedure": row.procedure.name if row.procedure else None,
        "selector": row.selector,
        "environments": row.environments,
        "grows": row.grows,
        "constraint": row.constraint,
        "unconstrained": row.unconstrained,
        "target_filter": row.target_filter,
        "window": row.window,
        "period": row.period,
        "not_before": at(row.not_before_at),
        "expires_at": at(row.expires_at),
        "reason": row.reason,
        "granted_by": row.granted_by.username,
        "revoked_at": at(row.revoked_at),
    }


def pulse(found: Pulse) -> dict[str, Any]:
    """How the log has been living, and what its last whole check found."""
    done = found.check
    checked = {"ended_at": at(done.ended_at), "misfits": done.found, "findings": done.findings} if done else None
    return {
        "heartbeat_at": at(found.last_beat),
        "waiting": found.waiting,
        "lag_s": round(found.lag_s, 3),
        "silences": [{"since": at(one.since), "until": at(one.until)} for one in found.silences],
        "check": checked,
        "stamped": asdict(found.stamped) | {"at": at(found.stamped.at)} if found.stamped else None,
    }
