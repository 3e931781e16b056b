"""Procedures that call procedures: pinned, under their own limits, in one plan (H17)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.evidence.models import Event
from procedures.models import Person, Version
from procedures.runner.drive import drive
from procedures.services import approvals, endings, life, versions
from procedures.services.calls import CalleeChanged
from procedures.services.claims import beat, claim_run
from tests.engine.test_runs import run_it, shell, steps, text
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary

HEAD = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: {name}}}
spec:
  owner: group:default/x
  type: diagnostic
  risk: {risk}
  environments: [{environments}]
  timeout: 1m
"""
GREET = """\
  callableBy: [parent, nosy, middle]
  parameters:
    required: [who]
    properties: {who: {type: string, title: Who, pattern: "^[a-z]{1,9}$"}}
  secrets: {schema: {properties: {token: {type: string, title: Token}}}}
  output: {values: {said: "${{ steps.say.output.said }}"}}
  steps:
    - id: say
      action: local:command
      timeout: 20s
      input:
        argv: [sh, -c, 'echo "hello $PARAM_WHO $T"; echo "said=$PARAM_WHO" >> $OPSPORTAL_OUTPUT']
        env: {T: "${{ secrets.token }}"}
"""
AFTER = "{{id: after, action: 'local:command', timeout: 5s, input: {{argv: [echo, --, '${{{{ steps.{0} }}}}']}}}}"
CALL = "{id: greet, action: 'procedure:run', timeout: 30s, input: {procedure: greet, parameters: {who: ada}}}"


def submit(world: World, name: str, body: str, *, risk: str = "low", environments: str = "development") -> Version:
    author = Person.objects.filter(username="adam").first() or world.person("adam")
    world.may(author, "author")
    said = (HEAD.format(name=name, risk=risk, environments=environments) + body).encode()
    return versions.submit_version(actor=author, files={"procedure.yaml": said, "README.md": b"x"}, note="", at=now())


def accept(world: World, name: str, body: str, *, risk: str = "low", environments: str = "development") -> Version:
    version = submit(world, name, body, risk=risk, environments=environments)
    world.review(world.mira, version, "operations", "security", signed=True)
    version.refresh_from_db()
    return version


def parent(world: World, *rows: str, more: str = "") -> Person:
    accept(world, "parent", f"{more}  steps:\n{steps(*rows)}\n")
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="parent")
    return quinn


def test_a_call_runs_as_part_of_the_run_and_hands_back_its_output(world: World) -> None:
    accept(world, "greet", GREET)
    quinn = parent(
        world,
        CALL,
        AFTER.format("greet.output.said"),
    )
    run = run_it(world, quinn, "parent")
    assert (run.state, text(run)) == ("succeeded", "hello ada \n-- ada\n")
    assert {t.step: t.state for t in run.tasks.all()} == {
        "greet/say": "succeeded",
        "greet": "succeeded",
        "after": "succeeded",
    }


def test_the_plan_holds_what_is_called_and_with_what(world: World) -> None:
    callee = accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    plan = parse(bytes(world.ask(quinn, procedure="parent").plan))
    assert [(c["procedure"], c["digest"], c["parameters"]) for c in plan["calls"]] == [
        ("greet", callee.digest, {"who": "ada"})
    ]
    assert [row["id"] for row in plan["steps"]] == ["greet", "greet/say"]


def test_the_requester_needs_the_callers_grant_alone_and_it_gives_nothing_on_the_callee(world: World) -> None:
    from procedures.domain.errors import NotAllowed

    accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    assert run_it(world, quinn, "parent").state == "succeeded"
    with pytest.raises(NotAllowed):
        world.ask(quinn, procedure="greet", parameters={"who": "ada"})


def test_a_caller_whose_callee_changed_is_no_longer_runnable(world: World) -> None:
    accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    before = world.ask(quinn, procedure="parent")
    accept(world, "greet", GREET.replace("hello", "good day"))
    with pytest.raises(CalleeChanged, match="no longer its accepted version"):
        world.ask(quinn, procedure="parent")
    drive(before.id)
    before.refresh_from_db()
    assert (before.state, text(before)) == ("succeeded", "hello ada \n")


def test_submitting_the_caller_again_pins_the_new_callee(world: World) -> None:
    accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    accept(world, "greet", GREET.replace("hello", "good day"))
    accept(world, "parent", f"  steps:\n{steps(CALL)}\n")
    assert text(run_it(world, quinn, "parent")) == "good day ada \n"


def test_a_revoked_callee_denies_at_the_claim(world: World) -> None:
    callee = accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    run = world.ask(quinn, procedure="parent")
    life.revoke_version(actor=world.mira, version=callee.id, reason="a hole", at=now())
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, run.tasks.count()) == ("denied", 0)


def test_a_callee_revoked_while_it_runs_stops_the_run(world: World) -> None:
    from procedures.models import Runner
    from procedures.runner.drive import identity

    callee = accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    run = world.ask(quinn, procedure="parent")
    claimed = claim_run(run=run.id, runner=Runner.objects.get(pk=identity().id), at=now())
    assert claimed is not None
    called = [frame.version for frame in claimed.frames.values()]
    assert beat(run=run.id, token=claimed.token, calls=called) == ""
    life.revoke_version(actor=world.mira, version=callee.id, reason="a hole", at=now(), cancel_running=True)
    assert beat(run=run.id, token=claimed.token, calls=called) == "stop"


def test_an_edited_callee_is_refused_at_the_claim(world: World) -> None:
    callee = accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    run = world.ask(quinn, procedure="parent")
    with connection.cursor() as cursor:
        evil = HEAD.format(name="greet", risk="low", environments="development") + GREET.replace("hello", "evil")
        key = callee.pk if connection.vendor == "postgresql" else callee.pk.hex
        cursor.execute(
            "UPDATE procedures_versionfile SET content = %s WHERE version_id = %s AND path = 'procedure.yaml'",
            [evil.encode(), key],
        )
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("denied", "")
    assert "are not those of" in run.message


def test_a_callee_that_only_a_table_calls_accepted_is_refused(world: World) -> None:
    """The attacker writes the version's state; the log holds no acceptance."""
    accept(world, "greet", GREET)
    quinn = parent(world, CALL)
    run = world.ask(quinn, procedure="parent")
    version = Version.objects.get(digest=parse(bytes(run.plan))["calls"][0]["digest"])
    life.revoke_version(actor=world.mira, version=version.id, reason="x", at=now())
    with unevidenced():
        Version.objects.filter(pk=version.pk).update(state="accepted")
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"
    assert "holds no acceptance" in run.message
    assert Event.objects.filter(run=run.id, kind="run.denied").count() == 1


def test_a_secret_is_handed_over_by_name_and_masked(world: World) -> None:
    accept(world, "greet", GREET)
    row = CALL.replace("{who: ada}", "{who: ada}, secrets: {token: mine}")
    quinn = parent(world, row, more="  secrets: {schema: {properties: {mine: {type: string, title: M}}}}\n")
    run = run_it(world, quinn, "parent", secrets={"mine": "canary-4711-canary"})
    assert (run.state, text(run)) == ("succeeded", "hello ada ***\n")


def test_a_secret_that_is_not_handed_over_is_not_there(world: World) -> None:
    accept(world, "greet", GREET)
    quinn = parent(world, CALL, more="  secrets: {schema: {properties: {token: {type: string, title: M}}}}\n")
    run = run_it(world, quinn, "parent", secrets={"token": "canary-4711-canary"})
    assert text(run) == "hello ada \n"


GATED = """\
  callableBy: [parent]
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: [echo, inner]}}
    - {id: ask, action: 'gate:approval', input: {message: 'Go on?', approvers: {security: 1}, expires: 1h}}
    - {id: two, action: 'local:command', timeout: 5s, input: {argv: [echo, beyond]}}
"""


def test_a_gate_of_the_callee_stands_in_the_callers_run(world: World) -> None:
    accept(world, "greet", GATED)
    quinn = parent(world, CALL.replace(", parameters: {who: ada}", ""), shell("last", "echo last"))
    sara = world.person("sara", "security")
    world.may(sara, "approve", procedure="parent")
    run = run_it(world, quinn, "parent")
    assert (run.state, run.waiting_gate, text(run)) == ("waiting", "greet/ask", "inner\n")
    assert approvals.quorum(run) == {"security": 1}
    approvals.decide_run(
        actor=sara, run=run.id, verdict="approve", plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("succeeded", "inner\nbeyond\nlast\n")
    assert run.tasks.filter(step="greet/one").count() == 1


def test_a_canceled_call_runs_no_further_step(world: World) -> None:
    accept(world, "greet", GATED)
    quinn = parent(world, CALL.replace(", parameters: {who: ada}", ""), shell("last", "echo last"))
    run = run_it(world, quinn, "parent")
    endings.cancel_run(actor=quinn, run=run.id, reason="no", at=now())
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("canceled", "inner\n")


def test_a_failing_callee_fails_its_step_and_the_caller_decides(world: World) -> None:
    body = "  callableBy: [parent]\n  steps:\n" + steps(shell("bad", "exit 4"), shell("never", "echo never"))
    accept(world, "greet", body + "\n  always:\n" + steps(shell("tidy", "echo tidied")) + "\n")
    bare = CALL.replace(", parameters: {who: ada}", "")
    quinn = parent(world, bare[:-1] + ", onFailure: continue}", shell("last", "echo last"))
    run = run_it(world, quinn, "parent")
    assert (run.state, text(run)) == ("succeeded", "tidied\nlast\n")
    assert {t.step: t.state for t in run.tasks.all()} == {
        "greet/bad": "failed",
        "greet/tidy": "succeeded",
        "greet": "failed",
        "last": "succeeded",
    }


def test_the_callees_timeout_holds_when_it_is_called(world: World) -> None:
    body = "  callableBy: [parent]\n  steps:\n" + steps(shell("slow", "sleep 20"))
    version = HEAD.replace("timeout: 1m", "timeout: 1s")
    author = world.person("adam")
    world.may(author, "author")
    said = version.format(name="greet", risk="low", environments="development") + body
    row = versions.submit_version(
        actor=author, files={"procedure.yaml": said.encode(), "README.md": b"x"}, note="", at=now()
    )
    world.review(world.mira, row, "operations", "security", signed=True)
    quinn = parent(world, CALL.replace(", parameters: {who: ada}", ""))
    began = now()
    run = run_it(world, quinn, "parent")
    assert run.state == "failed"
    assert {t.step: t.state for t in run.tasks.all()} == {"greet/slow": "timed_out", "greet": "timed_out"}
    assert now() - began < timedelta(seconds=10)


def test_the_callees_concurrency_group_holds_when_it_is_called(world: World) -> None:
    grouped = GATED.replace("  steps:", "  concurrency: {group: only-one}\n  steps:")
    accept(world, "greet", grouped)
    quinn = parent(world, CALL.replace(", parameters: {who: ada}", ""))
    world.may(quinn, "run", procedure="greet")
    direct = world.ask(quinn, procedure="greet")
    drive(direct.id)
    called = run_it(world, quinn, "parent")
    assert (called.state, called.tasks.count()) == ("queued", 0)
    endings.cancel_run(actor=quinn, run=direct.id, reason="", at=now())
    drive(called.id)
    called.refresh_from_db()
    assert called.state == "waiting"


def test_calls_go_deeper_and_each_frame_sees_its_own_names(world: World) -> None:
    accept(world, "greet", GREET)
    middle = "  callableBy: [parent]\n  output: {values: {up: '${{ steps.greet.output.said }}'}}\n  steps:\n"
    accept(world, "middle", middle + steps(CALL) + "\n")
    quinn = parent(
        world,
        "{id: down, action: 'procedure:run', timeout: 30s, input: {procedure: middle}}",
        AFTER.format("down.output.up"),
    )
    run = run_it(world, quinn, "parent")
    assert (run.state, text(run)) == ("succeeded", "hello ada \n-- ada\n")
    assert {t.step for t in run.tasks.all()} == {"down/greet/say", "down/greet", "down", "after"}
