"""The kinds of evidence event, as data: each with the facts that it must carry."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, ...]] = {
    "genesis": ("portal", "profile", "environments", "runners"),
    "bootstrap.granted": ("subject", "grant", "verbs", "at", "expires_at", "keys"),
    "heartbeat": (),
    "control.proposed": ("control", "change", "object", "gains"),
    "control.confirmed": ("control", "change", "object", "gains", "production", "profile"),
    "control.refused": ("control", "change", "reason"),
    "person.made": ("subject", "kind"),
    "person.joined": ("subject",),
    "person.closed": ("subject",),
    "token.made": ("token", "subject", "days"),
    "token.revoked": ("token",),
    "access.denied": ("what", "code", "reason", "door"),
    "session.opened": ("subject",),
    "session.refused": ("reason",),
    "version.submitted": ("version", "procedure", "number", "digest", "submitter", "authors", "risk"),
    "version.accepted": ("version", "digest", "profile", "risk", "reviewers", "combined"),
    "version.rejected": ("version", "digest"),
    "version.superseded": ("version", "digest", "by"),
    "version.withdrawn": ("version", "digest", "reason"),
    "version.revoked": ("version", "digest", "reason"),
    "version.expired": ("version", "digest"),
    "review.made": ("version", "digest", "verdict", "duties", "strength"),
    "run.requested": ("no", "procedure", "digest", "environment", "requester", "door", "chain", "risk"),
    "run.planned": ("plan_digest", "digest", "approvals", "targets"),
    "run.awaiting_approval": ("plan_digest",),
    "run.approved": ("plan_digest", "digest", "gate", "duties", "strength"),
    "run.turned_down": ("plan_digest", "digest", "gate", "strength"),
    "run.queued": ("plan_digest",),
    "run.drifted": ("why", "was", "plan_digest"),
    "run.claimed": ("runner", "digest", "plan_digest"),
    "run.waiting": ("gate", "expires_s"),
    "run.gate_refused": ("gate",),
    "run.cancel_asked": ("reason",),
    "run.finished": ("digest", "plan_digest", "dsse"),
    "run.canceled": ("digest",),
    "run.denied": ("digest", "message"),
    "run.rejected": ("digest", "message"),
    "run.expired": ("digest",),
    "run.interrupted": ("digest", "message"),
    "step.intent": ("task", "step", "phase", "target", "attempt", "does"),
    "task.finished": ("task", "step", "target", "attempt", "outcome", "transcript", "dsse"),
    "task.skipped": ("step", "target", "why"),
    "task.interrupted": ("task", "step", "target", "remote"),
    "lease.intent": ("lease", "step", "target", "attempt", "credential", "provider"),
    "lease.issued": ("lease", "step", "target", "evidence", "expires_at"),
    "lease.revoked": ("lease", "how", "why"),
    "lease.refused": ("step", "target", "credential", "why"),
    "export.made": ("manifest", "range", "exporter"),
    "evidence.read": ("what",),
    "redaction.approved": ("event", "paths", "basis", "requested_by"),
}

SEALS = frozenset(
    {"run.finished", "run.canceled", "run.denied", "run.rejected", "run.expired", "run.interrupted"}
)
