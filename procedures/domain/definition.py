"""What a procedure says, as values (procedure-format.md). `definitions/` makes them from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from procedures.domain import limits
from procedures.domain.alarms import Alarm
from procedures.domain.capabilities import strongest

Risk = Literal["low", "moderate", "high"]
RISKS: tuple[Risk, ...] = ("low", "moderate", "high")
Phase = Literal["steps", "rollback", "onCancel", "always"]
PHASES: tuple[Phase, ...] = ("steps", "rollback", "onCancel", "always")
DUTIES = ("operations", "security", "compliance")
_PLAIN = (
    *("name", "title", "description", "owner", "type", "risk", "parameters", "secrets"),
    *("timeout_s", "output", "evidence", "min_tier"),
)


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int = 1
    delay_s: int = 0
    backoff: int = 1


@dataclass(frozen=True, slots=True)
class ArtifactNeed:
    """A file that a step makes and that is to be kept; `path` is below the step's own folder."""

    name: str
    path: str
    type: str = "application/octet-stream"
    max_bytes: int = limits.ARTIFACT_BYTES
    retention_s: int = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `condition` and `each` are whole expressions or None; `input` holds unrendered values.

    One that `makes_secrets` may have masked what it says is secret; `sensitive` outputs are masked and kept nowhere.
    """

    id: str
    name: str
    action: str
    input: Mapping[str, Any]
    credentials: tuple[str, ...] = ()
    condition: str | None = None
    each: str | None = None
    timeout_s: int | None = None
    retry: Retry = Retry()
    idempotent: bool = False
    on_failure: Literal["fail", "continue", "rollback"] = "fail"
    safe_after_stop: bool = False
    artifacts: tuple[ArtifactNeed, ...] = ()
    makes_secrets: bool = False
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Strategy:
    """`batch` is a number of targets or a percentage such as "25%"; `max_failures` and `canary` likewise.

    A `canary` is a first batch of its own, of which none may fail; 0 means none. In `rolling` each batch is
    `ramp` times as large as the one before it. `alarms` are asked meanwhile; what one that turns bad does, `on_alarm`.
    """

    mode: Literal["parallel", "sequential", "rolling"] = "parallel"
    batch: int | str = "100%"
    max_failures: int | str = 0
    order: Literal["name", "random", "reverse"] = "name"
    canary: int | str = 0
    ramp: float = 1
    alarms: tuple[Alarm, ...] = ()
    on_alarm: Literal["stop", "rollback"] = "stop"


@dataclass(frozen=True, slots=True)
class Targets:
    """`narrow`: a requester may name some of the targets that match. `unreachable`: what the contact check does.

    `lock`: whether other runs may act on the same targets meanwhile; "" leaves it to what the procedure does.
    """

    filter: str
    strategy: Strategy = Strategy()
    narrow: bool = False
    unreachable: Literal["", "exclude", "fail"] = ""
    lock: Literal["", "exclusive", "shared", "none"] = ""


@dataclass(frozen=True, slots=True)
class CredentialNeed:
    """What a version declares that it needs; part of the digest. The environment's binding adds the rest."""

    name: str
    kind: str
    scope: Mapping[str, Any]
    ttl_s: int


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs of one group at once; a group without a name is the whole procedure.

    `shared` names a group of several procedures, which the environment's rules list: then the group is theirs.
    """

    group: str = ""
    on_conflict: Literal["queue", "reject", "cancel-running"] = "queue"
    limit: int = 1
    shared: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole procedure. `pages` are the JSON Schema pages of the form; `parameters` is their union.

    `parameters` is always `{"type": "object", "properties": {...}, "required": [...],
    "additionalProperties": False}`; `secrets` has the same shape. `min_tier` is the weakest sandbox that its local
    steps may have, "" for any. `narrowed` tells what was taken out of earlier versions because no run used it.
    """

    name: str
    title: str
    description: str
    owner: str
    type: str
    risk: Risk
    environments: tuple[str, ...]
    steps: tuple[Step, ...]
    parameters: Mapping[str, Any]
    pages: tuple[Mapping[str, Any], ...] = ()
    secrets: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    links: tuple[Mapping[str, str], ...] = ()
    targets: Targets | None = None
    credentials: Mapping[str, CredentialNeed] = field(default_factory=dict)
    concurrency: Concurrency | None = None
    timeout_s: int = 3600
    rollback: tuple[Step, ...] = ()
    on_cancel: tuple[Step, ...] = ()
    always: tuple[Step, ...] = ()
    output: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    callable_by: tuple[str, ...] = ()
    min_tier: str = ""
    narrowed: tuple[Mapping[str, Any], ...] = ()

    @property
    def sandbox(self) -> str:
        """The weakest tier that may take a run: what the author asks for, and B for a list of hosts."""
        listed = any(step.input.get("egress") for phase in PHASES for step in self.branch(phase))
        return strongest((self.min_tier, "B" if listed else ""))

    def branch(self, phase: Phase) -> tuple[Step, ...]:
        found = {"steps": self.steps, "rollback": self.rollback, "onCancel": self.on_cancel, "always": self.always}
        return found[phase]

    def step(self, step_id: str) -> tuple[Phase, Step]:
        """The phase and step of that id. Raises KeyError."""
        for phase in PHASES:
            for step in self.branch(phase):
                if step.id == step_id:
                    return phase, step
        raise KeyError(step_id)


def of_json(value: Mapping[str, Any]) -> Definition:
    """A definition from the plain JSON that a version keeps of it; what an older one did not know has its default."""
    targets, concurrency = value.get("targets"), value.get("concurrency")
    return Definition(
        **{
            **{key: value[key] for key in _PLAIN if key in value},
            **{
                key: tuple(value.get(key) or ())
                for key in ("environments", "pages", "tags", "links", "callable_by", "narrowed")
            },
            **{
                phase: tuple(map(_step, value.get(phase) or ()))
                for phase in ("steps", "rollback", "on_cancel", "always")
            },
        },
        targets=Targets(**{**targets, "strategy": _strategy(targets["strategy"])}) if targets else None,
        credentials={name: CredentialNeed(**need) for name, need in (value.get("credentials") or {}).items()},
        concurrency=Concurrency(**concurrency) if concurrency else None,
    )


def _strategy(value: Mapping[str, Any]) -> Strategy:
    return Strategy(**{**value, "alarms": tuple(Alarm(**alarm) for alarm in value.get("alarms") or ())})


def _step(value: Mapping[str, Any]) -> Step:
    made = {
        "credentials": tuple(value["credentials"]),
        "retry": Retry(**value["retry"]),
        "artifacts": tuple(ArtifactNeed(**need) for need in value.get("artifacts") or ()),
        "sensitive": tuple(value.get("sensitive") or ()),
    }
    return Step(**{**value, **made})
