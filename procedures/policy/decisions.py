"""One decision: what the policies of a set say of an input document, read from the shape that Conftest users know.

A package's rules `deny` and `violation` refuse, `warn` hints, `require` asks for more people, `raise` names the risk
that a version has at least; each name may end in `_something`. What cannot be evaluated, or answers in another shape,
denies, and says which policy it was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from procedures.domain.canonical import digest
from procedures.domain.definition import RISKS
from procedures.domain.plan import plain
from procedures.domain.policies import Decision, Finding, Policy, PolicySet, Stage, quorum_problem
from procedures.domain.profiles import approvals_union
from procedures.domain.text import visible
from procedures.policy.evaluator import RESIDENT, Answer, Source, problems

RULE = re.compile(r"(deny|violation|warn|require|raise)(_[A-Za-z0-9_]+)?")
HEAD = re.compile(r"(?:\s|#[^\n]*\n)*package\s+([a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)*)\s*(?:#[^\n]*)?(?:\n|$)")
DECIDES = re.compile(
    r"^[ \t]*(?:default[ \t]+)?(?:deny|violation|warn|require|raise)(?:_[A-Za-z0-9_]+)?\b", re.MULTILINE
)
RAISES = re.compile(r"^[ \t]*(?:default[ \t]+)?raise(?:_[A-Za-z0-9_]+)?\b", re.MULTILINE)
RESERVED = ("settings",)
EVALUATION = "evaluation"
MOST = 50
LONGEST = 500


class _Shapeless(Exception):
    """What is wrong with the shape of an answer."""


def decide(
    policies: PolicySet,
    stage: Stage,
    document: Mapping[str, Any],
    *,
    at: datetime,
    environments: Collection[str],
) -> Decision:
    """What `policies` say of `document`. Never raises for what a policy does."""
    concerned = policies.concerned(stage, environments)
    if not concerned:
        return Decision(stage, policies.digest)
    sources = [source_of(one) for one in policies.policies]
    names = [one.name for one in concerned]
    answers = RESIDENT.ask(policies.digest, sources, names, document)
    said = [read(one, answer, at) for one, answer in zip(concerned, answers, strict=True)]
    return Decision(
        stage=stage,
        policies=policies.digest,
        input=digest(plain(document)),
        denied=tuple(sorted(row for one in said for row in one.denied)),
        warned=tuple(sorted(row for one in said for row in one.warned)),
        required=approvals_union(*(one.required for one in said)),
        raises={name: risk for one in said for name, risk in one.raises.items()},
    )


def source_of(policy: Policy) -> Source:
    found = HEAD.match(policy.source)
    package = found.group(1) if found else "nothing"
    return Source(policy.name, package, ((f"{policy.name}.rego", policy.source),), policy.settings)


def problems_of(policy: Policy) -> list[str]:
    """Why a policy cannot be used: its package, what it calls, that it has no rule, that it fails on an empty input."""
    found = HEAD.match(policy.source)
    if found is None:
        return ["must begin with its package"]
    if found.group(1).split(".")[0] in RESERVED:
        return [f"its package must not be {found.group(1)}: that is where its settings stand"]
    if not DECIDES.search(policy.source):
        return ["has no rule deny, violation, warn, require or raise"]
    if RAISES.search(policy.source) and "submit" not in policy.stages:
        return ["raises the risk of versions, and is not asked about them: give it the stage submit"]
    why = problems([source_of(policy)])
    return [why[policy.name]] if why else []


def read(policy: Policy, answer: Answer, at: datetime) -> Decision:
    """One policy's part. Where it only warns, what it would refuse or require is a warning."""
    denied: list[Finding] = []
    warned: list[Finding] = []
    required: dict[str, int] = {}
    raised: list[str] = []
    try:
        for rule, value in _rules(answer):
            kind = rule.partition("_")[0]
            if kind == "require":
                required = approvals_union(required, *_quorums(rule, value))
            elif kind == "raise":
                raised += _risks(rule, value)
            else:
                found = warned if kind == "warn" else denied
                found += [Finding(policy.name, rule, text) for text in _messages(rule, value)]
    except _Shapeless as problem:
        denied.append(Finding(policy.name, EVALUATION, _short(str(problem))))
    if policy.enforces(at):
        raises = {policy.name: max(raised, key=RISKS.index)} if raised else {}
        return Decision("submit", denied=tuple(denied), warned=tuple(warned), required=required, raises=raises)
    warned += [Finding(policy.name, row.rule, f"would refuse: {row.message}"[:LONGEST]) for row in denied]
    warned += [Finding(policy.name, "require", f"would ask for {n} × {duty}") for duty, n in required.items()]
    warned += [Finding(policy.name, "raise", f"would raise the risk to {risk}") for risk in sorted(set(raised))]
    return Decision("submit", warned=tuple(warned))


def _rules(answer: Answer) -> list[tuple[str, Any]]:
    """(rule, value) of the rules that decide. Raises _Shapeless."""
    if answer.error:
        raise _Shapeless(answer.error)
    if not isinstance(answer.value, Mapping):
        raise _Shapeless("its package is not there")
    return [(name, value) for name, value in sorted(answer.value.items()) if RULE.fullmatch(name)]


def _messages(rule: str, value: Any) -> list[str]:
    """Texts of a set of strings or of objects with `msg`. Raises _Shapeless."""
    if not isinstance(value, list):
        raise _Shapeless(f"{rule} is no set of messages")
    texts = []
    for row in value:
        text = row.get("msg") if isinstance(row, Mapping) else row
        if not isinstance(text, str) or not text.strip():
            raise _Shapeless(f"{rule} holds something that is neither a text nor an object with msg")
        texts.append(_short(text))
    left = len(texts) - MOST
    return texts if left <= 0 else [*texts[:MOST], f"and {left} more"]


def _quorums(rule: str, value: Any) -> list[Mapping[str, int]]:
    """Quorums of an object or a set of objects. Raises _Shapeless."""
    rows = value if isinstance(value, list) else [value]
    for row in rows:
        if why := quorum_problem(row):
            raise _Shapeless(f"{rule} {why}")
    return rows


def _risks(rule: str, value: Any) -> list[str]:
    """Risks of a text or a set of texts. Raises _Shapeless."""
    rows = value if isinstance(value, list) else [value]
    for row in rows:
        if row not in RISKS:
            raise _Shapeless(f"{rule} says {row!r}, not {', '.join(RISKS)}")
    return rows


def _short(text: str) -> str:
    shown = visible(text.strip())
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
