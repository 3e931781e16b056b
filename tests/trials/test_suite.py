"""What a test may say: exact plans, recorded answers of hosts, and the way a failure takes."""

from __future__ import annotations

import pytest

from procedures.trials import suite

DEFINITION = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: restart}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [staging]
  timeout: 5m
  parameters: {required: [service], properties: {service: {type: string, title: S, pattern: "^[a-z]+$"}}}
  targets: {filter: "role=web"}
  credentials: {deploy: {kind: ssh, account: deploy, ttl: 5m}}
  steps:
    - id: restart
      action: ssh:command
      credentials: [deploy]
      timeout: 1m
      input: {argv: [systemctl, restart, --, "${{ parameters.service }}"]}
      onFailure: rollback
    - id: tell
      if: ${{ steps.restart.output.state == 'new' }}
      action: local:command
      timeout: 1m
      input: {argv: [echo, --, "${{ steps.restart.output.state }}"]}
  rollback:
    - {id: undo, action: ssh:command, credentials: [deploy], timeout: 1m, input: {argv: [systemctl, start, old]}}
  always:
    - {id: tidy, action: local:command, timeout: 1m, input: {argv: [echo, tidied]}}
"""
GIVEN = "parameters: {service: web}\nenvironment: staging\ntargets: [{name: web-01}, {name: web-02}]\n"
GOOD = "recorded: {restart: {web-01: {output: {state: new}}, web-02: {output: {state: new}}}}\n"
BAD = "recorded:\n  restart: {web-01: {}, web-02: {exit: 1, stdout: no such unit}}\n"
PLAN = """\
expect:
  plan:
    restart: {argv: [systemctl, restart, --, web], targets: [web-01, web-02], credentials: [deploy]}
    tell: {argv: [echo, --, new]}
    tidy: {argv: [echo, tidied], network: false}
"""


def told(text: str) -> tuple[bool, str]:
    row = suite.result({"procedure.yaml": DEFINITION, "tests/one.yaml": (GIVEN + text).encode()}, "tests/one.yaml")
    return row["ok"], row["told"]


def test_recorded_answers_open_the_steps_that_hang_on_them_and_are_called_recorded() -> None:
    ok, words = told(GOOD + "expect: {outcome: succeeded, order: [restart, tell, tidy]}")
    assert (ok, words) == (True, "planned restart, tell, tidy; recorded answers stood for restart")


def test_a_recorded_failure_takes_the_way_of_a_failure() -> None:
    ok, words = told(BAD + "expect: {outcome: failed, order: [restart, undo, tidy], steps: {restart: {exit: 1}}}")
    assert (ok, "restart ended 0, expected was 1" in words) == (False, True), "each target is held to it"
    ok, words = told(BAD + "expect: {outcome: failed, order: [restart, undo, tidy]}")
    assert ok, words


def test_what_undoes_acts_on_the_target_that_failed_too_as_in_a_run() -> None:
    plans = "undo: {targets: [web-01, web-02]}, restart: {targets: [web-01, web-02]}, tidy: {}"
    ok, words = told(BAD + f"expect: {{outcome: failed, plan: {{{plans}}}}}")
    assert ok, words


def test_a_step_that_is_run_sees_what_was_recorded() -> None:
    ok, words = told(GOOD + "expect: {steps: {tell: {exit: 0}}}")
    assert (ok, "ran tell in the sandbox" in words) == (True, True), words


def test_a_step_that_is_skipped_has_an_empty_output_as_in_a_run() -> None:
    skipped = DEFINITION.replace(
        b"  rollback:",
        b"    - id: last\n      if: ${{ steps.tell.output.said }}\n"
        b"      action: local:command\n      timeout: 1m\n      input: {argv: [echo, last]}\n  rollback:",
    )
    text = GIVEN + GOOD.replace("new", "old") + "expect: {order: [restart, tidy]}\n"
    row = suite.result({"procedure.yaml": skipped, "tests/one.yaml": text.encode()}, "tests/one.yaml")
    assert row["ok"], row["told"]


def test_the_plan_is_expected_exactly() -> None:
    assert told(GOOD + PLAN)[0]
    for old, new, words in (
        ("restart, --, web]", "restart, --, db]", "the plan of restart has argv"),
        ("    tidy: {argv: [echo, tidied], network: false}\n", "", "tidy is planned, and the expected plan does not"),
        ("network: false", "net: false", "has no net; it has action, argv"),
        ("tidy:", "tidied:", "tidy is planned"),
        ("[web-01, web-02]", "[web-01]", "has targets"),
    ):
        ok, said = told(GOOD + PLAN.replace(old, new))
        assert (ok, words in said, "tests/one.yaml:" in said) == (False, True, True), said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("expect: {order: [restart]}", "Run the step whose output it needs, or record an answer. (tests/one.yaml:4)"),
        (BAD + "expect: {outcome: succeeded}", "it failed; expected was succeeded. (tests/one.yaml:6)"),
        ("recorded: {restart: {web-01: {}}}\nexpect: {order: []}", "records no answer of web-02 to restart"),
        (GOOD + "expect: {order: [restart, tell, tidy], outcom: x}", "the key outcom, which means nothing here"),
        (BAD.replace("restart:", "restar:") + "expect: {order: []}", "record an answer"),
        (GOOD + "expect: {outcome: maybe}", "succeeded and failed alone"),
        ("recorded: {restart: {exit: one}}\nexpect: {order: []}", "a whole number"),
        (
            GOOD.replace("}}}}", "}}}, gone: {exit: 0}}") + "expect: {order: [restart, tell, tidy]}",
            "nothing asked for the record of gone",
        ),
    ],
)
def test_what_does_not_hold_is_named_with_its_line(text: str, words: str) -> None:
    ok, said = told(text)
    assert (ok, words in said) == (False, True), said
