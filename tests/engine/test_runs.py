"""Runs from the request to the ending, driven for real in the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from procedures.domain.clock import now
from procedures.domain.states import StateConflict
from procedures.evidence.models import Event
from procedures.models import Grant, Person, Run, VersionFile
from procedures.runner.drive import drive
from procedures.services import endings, run_states, versions
from procedures.services.claims import ClaimLost, beat
from tests.factories.portal import World

PROCEDURE = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: {name}}}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  timeout: {timeout}
  parameters: {{properties: {{word: {{type: string, title: Word, default: x}}}}}}
  secrets: {{schema: {{properties: {{token: {{type: string, title: Token}}}}}}}}
  steps:
{steps}
"""


def steps(*rows: str) -> str:
    return "\n".join("    - " + row for row in rows)


def procedure(world: World, name: str, *rows: str, tail: str = "", timeout: str = "1m") -> Person:
    """An accepted procedure with these steps, and somebody who may run it."""
    adam = world.person(f"author-{name}")
    world.may(adam, "author")
    text = PROCEDURE.format(name=name, steps=steps(*rows), timeout=timeout) + tail
    version = versions.submit_version(
        actor=adam, files={"procedure.yaml": text.encode(), "README.md": b"x"}, note="", at=now()
    )
    world.review(world.mira, version, "operations")
    quinn = world.person(f"runner-{name}")
    world.may(quinn, "run", procedure=name)
    return quinn


def shell(id: str, script: str, more: str = "") -> str:
    return f"{{id: {id}, action: 'local:command', timeout: 20s, input: {{argv: [sh, -c, {script!r}]}}{more}}}"


def run_it(world: World, person: Person, name: str, **more: object) -> Run:
    run = world.ask(person, procedure=name, **more)
    drive(run.id)
    run.refresh_from_db()
    return run


def text(run: Run) -> str:
    return "".join(run.log.order_by("seq").values_list("text", flat=True))


def test_a_run_succeeds_and_tells_what_it_did(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = run_it(world, quinn, "hello", parameters={"name": "Ada"})
    assert (run.state, text(run)) == ("succeeded", "Hello, Ada!\n")
    assert run.output == {"values": {"greeting": "Hello, Ada!"}}
    kinds = list(Event.objects.filter(run=run.id).order_by("n").values_list("kind", flat=True))
    assert kinds == [
        "run.requested",
        "run.planned",
        "run.queued",
        "run.claimed",
        "step.intent",
        "task.finished",
        "run.finished",
    ]


def test_a_failing_step_ends_the_run_and_always_still_runs(world: World) -> None:
    tail = "  always:\n" + steps(shell("tidy", "echo tidied"))
    quinn = procedure(world, "fails", shell("one", "exit 7"), shell("two", "echo never"), tail=tail + "\n")
    run = run_it(world, quinn, "fails")
    assert run.state == "failed"
    assert {t.step: (t.state, t.exit_status) for t in run.tasks.all()} == {
        "one": ("failed", 7),
        "tidy": ("succeeded", 0),
    }
    assert "never" not in text(run)


def test_rollback_runs_when_the_author_asked_for_it(world: World) -> None:
    tail = "  rollback:\n" + steps(shell("undo", "echo undone")) + "\n"
    quinn = procedure(world, "rolls", shell("one", "exit 1", ", onFailure: rollback"), tail=tail)
    run = run_it(world, quinn, "rolls")
    assert (run.state, "undone" in text(run)) == ("failed", True)


def test_a_step_that_takes_too_long_timed_out(world: World) -> None:
    quinn = procedure(world, "slow", "{id: one, action: 'local:command', timeout: 1s, input: {argv: [sleep, '30']}}")
    run = run_it(world, quinn, "slow")
    assert (run.state, run.tasks.get().state) == ("failed", "timed_out")


def test_secrets_reach_the_step_and_nothing_else(world: World) -> None:
    canary = "canary-77b1c09e55"
    script = 'printf %s "$T" | wc -c; echo $T; echo $T | base64'
    row = (
        f"{{id: one, action: 'local:command', timeout: 9s, input: {{argv: [sh, -c, '{script}'],"
        " env: {T: '${{ secrets.token }}'}}}"
    )
    quinn = procedure(world, "secret", row)
    run = run_it(world, quinn, "secret", secrets={"token": canary})
    assert run.state == "succeeded"
    assert text(run).startswith(f"{len(canary)}\n***\n")
    stored = (
        text(run)
        + str(run.plan)
        + str(run.sealed_secrets)
        + "".join(bytes(e.body).decode() + bytes(e.header).decode() for e in Event.objects.all())
    )
    assert canary not in stored
    assert run.masked_bytes > 0


def test_a_gate_holds_no_runner_and_its_answer_goes_on(world: World) -> None:
    from procedures.services import approvals

    quinn = procedure(
        world,
        "gated",
        shell("one", "echo first"),
        "{id: ask, action: 'gate:approval', input: {message: 'Go on?', approvers: {operations: 1}, expires: 1h}}",
        shell("two", "echo second"),
    )
    petra = world.person("petra", "operations")
    world.may(petra, "approve", procedure="gated")
    run = run_it(world, quinn, "gated")
    assert (run.state, run.waiting_gate, hasattr(run, "claim")) == ("waiting", "ask", False)
    approvals.decide_run(
        actor=petra, run=run.id, verdict="approve", plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("succeeded", "first\nsecond\n")


def test_an_edited_script_is_refused_at_the_claim_and_that_is_evidence(world: World) -> None:
    version = world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    script = VersionFile.objects.get(version=version, path="hello.sh")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procedures_versionfile SET content = %s WHERE id = %s", [bytes(script.content) + b"id\n", script.pk]
        )
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"
    assert "stored bytes have the digest" in run.message
    assert Event.objects.filter(run=run.id, kind="run.denied").count() == 1


def test_a_grant_that_ended_meanwhile_denies_at_the_claim(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    grant = world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    world.propose("grant_end", {"grant": str(grant.id), "reason": "left the team"})
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, Grant.objects.get(pk=grant.pk).revoked_at is not None) == ("denied", True)


def test_a_run_is_driven_once_however_often_the_bell_rings(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    for _ in range(3):
        drive(run.id)
    assert run.tasks.count() == 1


def test_a_lost_runner_leaves_an_interrupted_run_and_can_write_no_more(world: World) -> None:
    from procedures.models import Claim, Runner
    from procedures.runner.drive import identity
    from procedures.services.claims import claim_run

    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    claimed = claim_run(run=run.id, runner=Runner.objects.get(pk=identity().id), at=now())
    assert claimed is not None
    Claim.objects.update(heartbeat_at=now() - timedelta(minutes=5))
    assert endings.interrupt_lost(at=now()) == [run.id]
    assert endings.interrupt_lost(at=now()) == []
    run.refresh_from_db()
    assert run.state == "interrupted"
    with pytest.raises(ClaimLost):
        beat(run=run.id, token=claimed.token)


def test_an_illegal_move_names_state_change_and_who(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    from procedures.domain.states import RunState

    with pytest.raises(StateConflict, match=r"queued cannot become succeeded .asked by quinn"):
        run_states.move(run, RunState.SUCCEEDED, at=now(), who="quinn")


def test_a_canceled_queued_run_does_nothing(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    run = world.ask(quinn)
    endings.cancel_run(actor=quinn, run=run.id, reason="changed my mind", at=now())
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, run.tasks.count()) == ("canceled", 0)


def test_each_runs_a_step_once_per_item_in_order(world: World) -> None:
    quinn = procedure(
        world,
        "loops",
        "{id: one, each: \"${{ ['a b', '$(id)', 'c'] }}\", action: 'local:command', timeout: 5s,"
        " input: {argv: [echo, --, '${{ each }}']}}",
        shell("two", "echo done"),
    )
    run = run_it(world, quinn, "loops")
    assert (run.state, text(run)) == ("succeeded", "-- a b\n-- $(id)\n-- c\ndone\n")
    assert [t.target for t in run.tasks.filter(step="one")] == ["item 1", "item 2", "item 3"]


def test_an_item_that_fails_ends_the_row(world: World) -> None:
    quinn = procedure(
        world,
        "breaks",
        "{id: one, each: \"${{ ['0', '3', '0'] }}\", action: 'local:command', timeout: 5s,"
        " input: {argv: [sh, -c, 'exit $CODE'], env: {CODE: '${{ each }}'}}}",
    )
    run = run_it(world, quinn, "breaks")
    assert run.state == "failed"
    assert {t.target: t.state for t in run.tasks.all()} == {"item 1": "succeeded", "item 2": "failed"}


def test_a_secret_in_an_output_is_masked(world: World) -> None:
    quinn = procedure(
        world,
        "leaks",
        "{id: one, action: 'local:command', timeout: 5s, input:"
        " {argv: [sh, -c, 'echo \"k=got $T\" >> $OPSPORTAL_OUTPUT'], env: {T: '${{ secrets.token }}'}}}",
    )
    run = run_it(world, quinn, "leaks", secrets={"token": "canary-4711-canary"})
    assert run.tasks.get().output == {"k": "got ***"}
