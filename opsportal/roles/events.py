"""Which part may write which kind of event: web cannot say that a runner took a run, a runner not that people decided.

A kind stands here by its own name, or by its family; its own name counts first. A test holds every kind against it.
"""

from __future__ import annotations

from procedures.evidence.events import KINDS

OWNER = ""  # written while installing or recovering, by the owner of the tables
ASKED = "web scheduler"  # by whoever asks for runs: the scheduler does for schedules
DRIVEN = "runner disposable"
KINDS_OF: dict[str, str] = {
    "genesis": OWNER,
    "log.recovered": OWNER,
    "heartbeat": "sequencer",
    "clock.off": "sequencer",
    "log.anchored": "sequencer",
    "log.key_turned": "sequencer",
    "bootstrap": "web",
    "control": ASKED,
    "inventory": "scheduler",
    "person": "web",
    "identity": "web",
    "identity.keys_shown": "issuer",
    "host.certified": "issuer",
    "target": "web",
    "pool": "issuer",
    "secret": "issuer",
    "membership": "web",
    "directory": "web",
    "account": ASKED,
    "agent": "web",
    "stop": "web",
    "connection": "web",
    "token": "web",
    "workload": "web",
    "egress": "egress",
    "standing": ASKED,
    "standing.approved_ahead": "web",
    "standing.taken_back": "web",
    "hook": "web",
    "totp": "web",
    "access": ASKED,
    "campaign": ASKED,
    "deputy": ASKED,
    "decision": "web",
    "session": "web",
    "version": ASKED,
    "version.accepted": "web",
    "version.tested": "scheduler disposable",
    "procedure": "web",
    "review": "web",
    "policy": ASKED,
    "run": ASKED,
    "run.approved": "web",
    "run.turned_down": "web",
    "run.answered": "web",
    "run.commented": "web",
    "run.claimed": DRIVEN,
    "run.claim_refused": DRIVEN,
    "run.contacted": DRIVEN,
    "run.targets_changed": DRIVEN,
    "run.waiting": DRIVEN,
    "run.paused": DRIVEN,
    "run.alarmed": DRIVEN,
    "secret.made": DRIVEN,
    "run.refrozen": DRIVEN,
    "run.drifted": DRIVEN,
    "run.awaiting_approval": f"{ASKED} {DRIVEN}",
    "run.queued": f"{ASKED} {DRIVEN}",
    "run.finished": f"{ASKED} {DRIVEN}",
    "run.canceled": f"{ASKED} {DRIVEN}",
    "run.denied": f"{ASKED} {DRIVEN}",
    "run.expired": f"{ASKED} {DRIVEN}",
    "run.interrupted": f"scheduler {DRIVEN}",
    "step": DRIVEN,
    "batch": DRIVEN,
    "task": DRIVEN,
    "task.interrupted": f"scheduler {DRIVEN}",
    "artifact.read": "web",
    "artifact.erased": "scheduler",
    "purge.refused": "scheduler",
    "result": DRIVEN,
    "result.picked_up": "web",
    "result.read": "web",
    "result.erased": "web",
    "result.expired": "scheduler",
    "lease": "issuer",
    "lease.revoked": "issuer scheduler",
    "export": "web",
    "emergency": OWNER,
    "use": "web",
    "population": "web",
    "sample": "web",
    "entity": DRIVEN,
    "evidence": "web",
    "break_glass": "web",
    "notice": "scheduler",
}


def parts_of(kind: str) -> tuple[str, ...]:
    """The parts that may write a kind. Raises KeyError for one that nobody thought of."""
    said = KINDS_OF.get(kind)
    return tuple((KINDS_OF[kind.partition(".")[0]] if said is None else said).split())


def kinds_of(part: str) -> list[str]:
    """What a part may write, by name."""
    return sorted(kind for kind in KINDS if part in parts_of(kind))
