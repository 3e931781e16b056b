"""One file of `tests/`: what it gives, what it expects, and where in the file each of it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.definitions.guard import Document, YamlRefused, load
from procedures.domain.errors import OpsError

FOLDER = "tests/"
NAME = re.compile(r"^tests/[^/]+\.ya?ml$")
MAX_TESTS = 50
SHAPES: Mapping[str, type] = {
    "parameters": dict,
    "environment": str,
    "targets": list,
    "secrets": dict,
    "recorded": dict,
    "expect": dict,
}
EXPECTED: Mapping[str, type] = {"outcome": str, "order": list, "plan": dict, "steps": dict, "refused": list}
ANSWER: Mapping[str, type] = {"exit": int, "stdout": str, "output": dict}
OUTCOMES = ("succeeded", "failed")


class Wrong(OpsError):
    """A test whose expectation does not hold, or that says something nobody understands."""

    code = "test.failed"
    next_step = "Mend the procedure, or what its test expects of it."


@dataclass(frozen=True, slots=True)
class Case:
    """One test. `at` says where a key stands, as `tests/x.yaml:7`."""

    name: str
    document: Document
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expect(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.said["expect"]
        return found

    def at(self, *keys: str) -> str:
        pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
        return f"{self.name}:{self.document.where(pointer)[0]}"

    def wrong(self, message: str, *keys: str) -> Wrong:
        """What does not hold, with the line that expects it."""
        return Wrong(f"{message} ({self.at(*keys)})" if keys else message)


def names(files: Mapping[str, bytes]) -> list[str]:
    """The tests of a bundle, in order."""
    return sorted(path for path in files if NAME.match(path))


def case(name: str, data: bytes) -> Case:
    """Read one test. Raises Wrong for what is no test, naming line and key."""
    try:
        document = load(data)
    except YamlRefused as problem:
        raise Wrong(f"is not YAML that a test may hold: {problem.message} ({name}:{problem.line})") from problem
    said = document.value
    if not isinstance(said, dict) or not isinstance(said.get("expect"), dict) or not said["expect"]:
        raise Wrong(f"expects nothing: write `expect:` with order, plan, steps, outcome or refused. ({name}:1)")
    one = Case(name, document, said)
    _known(one, said, SHAPES)
    _known(one, said["expect"], EXPECTED, "expect")
    if one.expect.get("outcome", OUTCOMES[0]) not in OUTCOMES:
        raise one.wrong(f"knows the outcomes {' and '.join(OUTCOMES)} alone.", "expect", "outcome")
    _whole(one)
    for step, answers in (said.get("recorded") or {}).items():
        _recorded(one, str(step), answers)
    return one


def _whole(one: Case) -> None:
    """Raise Wrong for a target or an expectation of another shape."""
    for number, target in enumerate(one.said.get("targets") or []):
        if not isinstance(target, dict) or not isinstance(target.get("name"), str):
            raise one.wrong("names a target without a name.", "targets", str(number))
        if not isinstance(target.get("tags") or {}, dict):
            raise one.wrong("has tags that are no names with values.", "targets", str(number))
    for key in ("steps", "plan"):
        for step, wanted in (one.expect.get(key) or {}).items():
            if not isinstance(wanted or {}, dict) or not isinstance((wanted or {}).get("output") or {}, dict):
                raise one.wrong(f"expects of {step} what is no names with values.", "expect", key, str(step))


def _known(one: Case, given: Mapping[str, Any], shapes: Mapping[str, type], *keys: str) -> None:
    for key, value in given.items():
        if key not in shapes:
            raise one.wrong(f"has the key {key}, which means nothing here.", *keys, str(key))
        if value is not None and (not isinstance(value, shapes[key]) or isinstance(value, bool)):
            raise one.wrong(f"has another shape than {key} takes: {_shape(shapes[key])}.", *keys, str(key))


def _shape(kind: type) -> str:
    return {dict: "names with values", list: "a list", str: "a text", int: "a whole number"}[kind]


def _recorded(one: Case, step: str, answers: Any) -> None:
    """`{exit, stdout, output}` for a step of its own, `{TARGET: {exit, stdout, output}}` for one on targets."""
    if not isinstance(answers, dict) or not answers:
        raise one.wrong(f"records nothing for {step}: write exit, stdout or output.", "recorded", step)
    if set(answers) <= set(ANSWER):
        _known(one, answers, ANSWER, "recorded", step)
        return
    for target, answer in answers.items():
        if not isinstance(answer, dict):
            raise one.wrong(f"has the key {target}, which means nothing here.", "recorded", step, str(target))
        _known(one, answer, ANSWER, "recorded", step, str(target))
