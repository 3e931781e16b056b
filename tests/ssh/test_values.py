"""For every string s, `${{ parameters.s }}` arrives as s: in argv, environment and standard input, here and on a host.

The way is the engine's own: YAML → definition → resolved parameters → rendered call → action. The other end prints what
it got, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain import parameters, plan
from procedures.domain.definition import Definition
from procedures.domain.errors import InvalidInput
from tests.actions.calls import HOSTILE, Collected
from tests.fixtures.counterparts import need
from tests.ssh.conftest import Place

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: echo-back, title: Echo back, description: Prints what it was given.}
spec:
  owner: group:default/x
  type: diagnostic
  risk: moderate
  environments: [staging]
  timeout: 1m
  parameters: {required: [s], properties: {s: {type: string, title: S, description: Any text.}}}
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, ttl: 2m}}
  steps:
    - id: local-words
      action: local:command
      input: {argv: [printf, "%s", --, "${{ parameters.s }}"]}
    - id: local-script
      action: local:script
      input: {script: back.sh, env: {V: "${{ parameters.s }}"}, stdin: "${{ parameters.s }}"}
    - id: ssh-words
      action: ssh:command
      credentials: [deploy]
      input: {argv: [printf, "%s", --, "${{ parameters.s }}"]}
    - id: ssh-script
      action: ssh:script
      credentials: [deploy]
      input: {script: back.sh, env: {V: "${{ parameters.s }}"}, stdin: "${{ parameters.s }}"}
"""
SCRIPT = b'printf "%s|%s|" "$V" "$PARAM_S"\nexec cat\n'
FILES = {"procedure.yaml": YAML.encode(), "back.sh": SCRIPT, "README.md": b"x"}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300)
TRAPS = [
    "", "-", "--", "-rf", "-n", "\\c", "%", "%s%n", "'", '"', "`id`", "$(id)", "${IFS}", "!!",
    "~", "*", "\n", "a\n", "\na", "\r\n", "\t", "\x1b[2J", "\x7f", "\u202e", "\u2028", "\ufeff",
    "\U0001f600", "e\u0301", "{{7*7}}", "${{ parameters.s }}", "${{ secrets.x }}", "a" * 65_000,
    "ü" * 30_000, "EOF\nEOF", "=", "a=b", ";", "&", "|", "<", ">", "\\", "\\\\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def definition() -> Definition:
    loaded = load(FILES, registry.actions())
    assert not [f for f in loaded.findings if f.severity == "error"], loaded.findings
    assert loaded.definition is not None
    return loaded.definition


@pytest.fixture(scope="module")
def send(place: Place, definition: Definition) -> Callable[[str], None]:
    """Send one value by every way, and compare what came back."""
    need("bwrap")
    actions = registry.actions()

    def sent(value: str) -> None:
        data, raw = parameters.resolve(definition.parameters, {"s": value}), value.encode()
        ask = plan.Ask(
            run=uuid4(),
            run_no=1,
            procedure="echo-back",
            digest="d",
            environment="staging",
            requester="quinn",
            reason="",
            parameters=data,
            secret_marks={},
            targets=[place.target],
            bindings={"deploy": place.binding},
            approvals={},
            min_strength="session",
            risk="moderate",
            profile="team",
        )
        scope = plan.scope_for(definition, ask)
        for step in definition.steps:
            action: Any = actions[step.action]
            target = place.target if action.per_target else None
            call = plan.call_for(FILES, ask, step, target, scope=scope, nonce=uuid4().hex, seconds_left=30.0)
            if target is not None:
                call = replace(call, lease=place.lease(action, call))
            io = Collected()
            result = action.run(call, io)
            assert result.outcome == "succeeded", (step.id, result.message, io.out)
            wanted = b"--" + raw if step.id.endswith("words") else raw + b"|" + raw + b"|" + raw
            assert io.out.get("stdout", b"") == wanted, step.id

    return sent


@pytest.mark.parametrize("value", [*TRAPS, *HOSTILE.values()], ids=lambda value: ascii(value)[:24])
def test_a_trap_arrives_as_itself_by_every_way(send: Callable[[str], None], value: str) -> None:
    send(value)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT)
@example("-$(id)\n'")
def test_every_string_arrives_as_itself_by_every_way(send: Callable[[str], None], value: str) -> None:
    send(value)


@pytest.mark.figures
@pytest.mark.timeout(1800)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT)
def test_three_hundred_strings_arrive_as_themselves_by_every_way(send: Callable[[str], None], value: str) -> None:
    send(value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=20), st.sampled_from(["\x00", "\ud800", "\udfff"]), st.text(max_size=20))
def test_what_no_system_can_carry_is_refused_with_its_pointer(
    definition: Definition, before: str, bad: str, after: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parameters.resolve(definition.parameters, {"s": before + bad + after})
    assert [pointer for pointer, _ in refusal.value.problems] == ["/parameters/s"]
