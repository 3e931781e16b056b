"""`opsportal test PATH`: a folder's own tests, without a portal.

Each `tests/*.yaml` says parameters, environment and targets, and what is expected: the order of steps, and per step an
exit status and output. A step that is named there is run in the sandbox (a script meant for a host too, which is said);
every other step is planned only. `expect: {refused: [/parameters/x]}` expects the parameters to be refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import click
import yaml

from opsportal.cli.local import DEFAULT_S, Terminal, loaded
from opsportal.cli.portal import FAILED
from procedures.definitions import registry
from procedures.domain import expressions, parameters, plan
from procedures.domain.definition import Definition, Step
from procedures.domain.errors import InvalidInput, OpsError
from procedures.domain.masking import Masker
from procedures.domain.ports import Target
from procedures.domain.secrets import Secret

STAND_INS = {"ssh:command": "local:command", "ssh:script": "local:script"}
KEYS = {"parameters", "environment", "targets", "secrets", "expect"}
EXPECTED = {"outcome", "order", "steps", "refused"}


class Wrong(OpsError):
    """A test whose expectation does not hold, or that says something nobody understands."""

    code = "test.failed"
    next_step = "Mend the procedure, or what its test expects of it."


@dataclass(slots=True)
class Case:
    """One file of `tests/`."""

    name: str
    said: Mapping[str, Any]

    @property
    def expect(self) -> Mapping[str, Any]:
        return self.said.get("expect") or {}


@click.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def test(path: Path, as_json: bool) -> None:
    """Run a procedure's own tests, without a portal. Ends 1 if one fails or there is none."""
    files, found = loaded(path)
    rows = []
    for place in sorted((path / "tests").glob("*.yaml")):
        try:
            told = tried(files, found.definition, case(place))
            rows.append({"test": place.name, "ok": True, "told": told})
        except OpsError as problem:
            rows.append({"test": place.name, "ok": False, "told": problem.message})
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    for row in [] if as_json else rows:
        click.echo(f"{'ok  ' if row['ok'] else 'FAIL'}  {row['test']}: {row['told']}")
    if not rows:
        click.echo(f"{path} has no tests/*.yaml; write one, so that reviewers see what it does.", err=True)
    if not rows or not all(row["ok"] for row in rows):
        raise SystemExit(FAILED)


def case(place: Path) -> Case:
    """Read one test. Raises Wrong for what is no test, naming the key."""
    try:
        said = yaml.safe_load(place.read_text())
    except yaml.YAMLError as problem:
        raise Wrong(f"is not YAML: {str(problem).splitlines()[0]}") from problem
    if not isinstance(said, dict) or not isinstance(said.get("expect"), dict) or not said["expect"]:
        raise Wrong("expects nothing: write `expect:` with order, steps or refused.")
    strange = sorted((set(said) - KEYS) | (set(said["expect"]) - EXPECTED))
    if strange:
        raise Wrong(f"has the key {strange[0]}, which means nothing here.")
    return Case(place.name, said)


def tried(files: Mapping[str, bytes], definition: Definition, one: Case) -> str:
    """What was planned and what was run. Raises Wrong."""
    refused = one.expect.get("refused")
    try:
        values = parameters.resolve(definition.parameters, one.said.get("parameters") or {})
    except InvalidInput as problem:
        pointers = sorted({pointer for pointer, _ in problem.problems})
        if refused is not None and sorted(refused) == pointers:
            return f"refused as expected at {', '.join(pointers)}"
        raise Wrong(f"the parameters are refused: {problem.message}") from problem
    if refused is not None:
        raise Wrong("the parameters were to be refused, and are not.")
    ask = _ask(definition, one, values)
    lent = {name: Secret(str(value)) for name, value in (one.said.get("secrets") or {}).items()}
    lent = {name: lent.get(name, Secret(b"")) for name in ask.secret_marks}
    order, ran = _walk(files, definition, one, ask, lent)
    if "order" in one.expect and list(one.expect["order"]) != order:
        raise Wrong(f"the order is {', '.join(order)}; expected was {', '.join(map(str, one.expect['order']))}.")
    missing = sorted(set(one.expect.get("steps") or {}) - set(ran))
    if missing:
        raise Wrong(f"the step {missing[0]} was expected to run and did not.")
    return f"planned {', '.join(order)}" + (f"; ran {', '.join(ran)} in the sandbox" if ran else "")


def _ask(definition: Definition, one: Case, values: Mapping[str, Any]) -> plan.Ask:
    targets = [
        Target(
            UUID(int=n), str(t["name"]), "test", "127.0.0.1", 22, "", "", "certificate", tags=dict(t.get("tags") or {})
        )
        for n, t in enumerate(one.said.get("targets") or [])
    ]
    return plan.Ask(
        run=uuid4(),
        run_no=0,
        procedure=definition.name,
        digest="",
        environment=str(one.said.get("environment", "development")),
        requester="tester",
        reason="a test",
        parameters=values,
        secret_marks=dict.fromkeys(definition.secrets.get("properties", {}), ""),
        targets=targets,
        bindings={},
        approvals={},
        min_strength="session",
        risk=definition.risk,
        profile="team",
    )


def _walk(
    files: Mapping[str, bytes], definition: Definition, one: Case, ask: plan.Ask, lent: Mapping[str, Secret]
) -> tuple[list[str], list[str]]:
    """(steps that would run, in order; those that did). What is not run is planned: its input must render."""
    order: list[str] = []
    outputs: dict[str, Any] = {}
    expected = one.expect.get("steps") or {}
    for step in (*definition.steps, *definition.always):
        scope = plan.scope_for(definition, ask, steps=outputs, secrets=lent)
        if step.condition is not None and not expressions.evaluate(step.condition, scope):
            continue
        order.append(step.id)
        action = registry.actions()[step.action]
        target = ask.targets[0] if ask.targets and plan.on_targets(step, action) else None
        if step.id in expected:
            outputs[step.id] = {"output": _run(files, ask, step, target, scope, expected[step.id] or {})}
        else:
            action.plan(plan.call_for(files, ask, step, target, scope=scope))
    return order, [name for name in order if name in outputs]


def _run(
    files: Mapping[str, bytes],
    ask: plan.Ask,
    step: Step,
    target: Target | None,
    scope: Mapping[str, Any],
    wanted: Mapping[str, Any],
) -> dict[str, Any]:
    name = STAND_INS.get(step.action, step.action)
    if name not in STAND_INS.values():
        raise Wrong(f"{step.id} is {step.action}, which no test can run; expect its place in `order` instead.")
    left = float(step.timeout_s or DEFAULT_S)
    call = plan.call_for(files, ask, step, target, scope=scope, nonce=uuid4().hex, seconds_left=left)
    terminal = Quiet(Masker())
    result = registry.actions()[name].run(call, terminal)
    if "exit" in wanted and result.exit_status != wanted["exit"]:
        raise Wrong(f"{step.id} ended {result.exit_status}, expected was {wanted['exit']}: {terminal.told()}")
    for key, value in (wanted.get("output") or {}).items():
        if result.output.get(key) != value:
            raise Wrong(f"{step.id} gave {key} = {result.output.get(key)!r}, expected was {value!r}.")
    return dict(result.output)


class Quiet(Terminal):
    """Keeps the last output instead of showing it."""

    def __init__(self, masker: Masker) -> None:
        super().__init__(masker)
        self.kept = b""

    def write(self, stream: Any, data: bytes) -> None:
        self.kept = (self.kept + self.masker.feed(stream, data))[-4000:]

    def told(self) -> str:
        return self.kept.decode(errors="replace").strip()[-500:] or "it printed nothing"
