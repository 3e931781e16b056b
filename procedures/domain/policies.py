"""Policies as values: what a control object of that kind says, what is in force at a moment, and what was decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from procedures.domain.canonical import digest, moment, parse_moment
from procedures.domain.definition import DUTIES
from procedures.domain.profiles import approvals_union

Stage = Literal["submit", "request", "plan"]
Mode = Literal["on", "warn", "off"]
STAGES: tuple[Stage, ...] = ("submit", "request", "plan")
MODES: tuple[Mode, ...] = ("on", "warn", "off")
WARN_AT_MOST = timedelta(days=14)
SOURCE_BYTES = 64 * 1024
SETTINGS_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. `shipped` names the one of ours that it was made from; `environments` is empty for everywhere."""

    name: str
    source: str
    settings: Mapping[str, Any]
    mode: Mode
    stages: tuple[str, ...]
    environments: tuple[str, ...] = ()
    warn_until: str = ""
    shipped: str = ""

    @classmethod
    def of(cls, object: Mapping[str, Any]) -> Policy:
        return cls(
            name=object["name"],
            source=object["source"],
            settings=object["settings"],
            mode=object["mode"],
            stages=tuple(object["stages"]),
            environments=tuple(object.get("environments", ())),
            warn_until=object.get("warn_until", ""),
            shipped=object.get("shipped", ""),
        )

    def enforces(self, at: datetime) -> bool:
        """Whether it may refuse. One that only warns does so for a time, and enforces after it."""
        return self.mode == "on" or (self.mode == "warn" and moment(at) >= self.warn_until)

    def concerns(self, stage: Stage, environments: Collection[str]) -> bool:
        return stage in self.stages and (not self.environments or bool(set(self.environments) & set(environments)))


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies in force, by name. `digest` is over all of them with their settings; "" where there is none."""

    policies: tuple[Policy, ...] = ()
    digest: str = ""

    def concerned(self, stage: Stage, environments: Collection[str]) -> tuple[Policy, ...]:
        return tuple(one for one in self.policies if one.concerns(stage, environments))


def in_force(objects: Iterable[Mapping[str, Any]]) -> PolicySet:
    """The set that confirmed control objects make, in whatever order they come; one that is off is not in it."""
    live = sorted((dict(one) for one in objects if one["mode"] != "off"), key=lambda one: one["name"])
    for one in live:
        one.pop("stands", None)
    return PolicySet(tuple(map(Policy.of, live)), digest(live)) if live else PolicySet()


def lasting(object: Mapping[str, Any], at: datetime) -> str:
    """What is wrong with the end of a policy's warning time, or an empty string."""
    until = object.get("warn_until", "")
    if object["mode"] != "warn":
        return "is for a policy that only warns" if until else ""
    if not until:
        return "say until when it only warns, at most 14 days from now"
    try:
        ends = parse_moment(until)
    except ValueError:
        return "is no moment"
    if not at < ends <= at + WARN_AT_MOST:
        return "lies within the next 14 days: after that it refuses"
    return ""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What one rule of one policy says, in the words of its author."""

    policy: str
    rule: str
    message: str

    def as_dict(self) -> dict[str, str]:
        return {"policy": self.policy, "rule": self.rule, "message": self.message}


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policies in force say of one input. Empty digests: no policy was concerned, and nothing was asked."""

    stage: Stage
    policies: str = ""
    input: str = ""
    denied: tuple[Finding, ...] = ()
    warned: tuple[Finding, ...] = ()
    required: Mapping[str, int] = field(default_factory=dict)
    raises: Mapping[str, str] = field(default_factory=dict)  # policy → the risk that a version has at least

    def facts(self) -> dict[str, Any]:
        """As evidence and doors tell it."""
        return {
            "stage": self.stage,
            "policies": self.policies,
            "input": self.input,
            "denied": [one.as_dict() for one in self.denied],
            "warned": [one.as_dict() for one in self.warned],
            "required": dict(self.required),
        }


def merged(stage: Stage, said: Sequence[Decision]) -> Decision:
    """Several answers as one: what one refuses is refused, and the most that is asked for is asked for."""
    inputs = sorted(one.input for one in said if one.input)
    return Decision(
        stage,
        policies=next((one.policies for one in said if one.policies), ""),
        input=inputs[0] if len(inputs) == 1 else digest(inputs) if inputs else "",
        denied=tuple(sorted({row for one in said for row in one.denied})),
        warned=tuple(sorted({row for one in said for row in one.warned})),
        required=approvals_union(*(one.required for one in said)),
    )


def told(findings: Sequence[Finding]) -> str:
    """Findings as one sentence each, for a refusal."""
    return " ".join(f"{one.policy}: {one.message}" for one in findings)


def quorum_problem(value: Any) -> str:
    """Why a value of a `require` rule is no quorum, or an empty string."""
    if not isinstance(value, Mapping):
        return "is no object of duties and numbers"
    for duty, count in value.items():
        if duty not in DUTIES:
            return f"names {duty!r}, which is not one of {', '.join(DUTIES)}"
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 9:
            return f"asks for {count!r} × {duty}, not for 1 to 9"
    return ""
