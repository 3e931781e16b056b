"""What `onConflict` says of another run of the same group: wait, refuse, or take its place (H19)."""

from __future__ import annotations

import pytest

from procedures.domain.clock import now
from procedures.models import Person, Run
from procedures.runner.drive import drive
from procedures.services.claims import claim_run
from procedures.services.run_groups import GroupBusy
from tests.engine.test_runs import procedure, shell
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

TAIL = "  concurrency: {{group: 'of/${{{{ parameters.word }}}}', onConflict: {}}}\n"


def ready(world: World, rule: str, name: str = "grouped") -> Person:
    return procedure(world, name, shell("one", "echo here"), tail=TAIL.format(rule))


def other(world: World, *verbs: str) -> Person:
    olga = world.person("olga")
    world.may(olga, "run", *verbs, procedure="grouped")
    return olga


def test_queue_waits_until_the_other_has_ended(world: World) -> None:
    quinn = ready(world, "queue")
    first, second = world.ask(quinn, procedure="grouped"), world.ask(quinn, procedure="grouped")
    with unevidenced():
        Run.objects.filter(pk=first.pk).update(state="running", started_at=now())
    drive(second.id)
    second.refresh_from_db()
    assert second.state == "queued"
    with unevidenced():
        Run.objects.filter(pk=first.pk).update(state="queued", started_at=None)
    drive(first.id)
    drive(second.id)
    second.refresh_from_db()
    assert second.state == "succeeded"


def test_reject_refuses_the_second_by_number_and_leaves_other_groups_alone(world: World) -> None:
    quinn = ready(world, "reject")
    first = world.ask(quinn, procedure="grouped")
    with pytest.raises(GroupBusy, match=f"#{first.no}"):
        world.ask(quinn, procedure="grouped")
    assert world.ask(quinn, procedure="grouped", parameters={"word": "y"}).state == "queued"


def test_cancel_running_ends_what_waits_and_tells_the_runner_of_what_runs(world: World) -> None:
    quinn = ready(world, "cancel-running")
    olga = other(world, "cancel")
    first = world.ask(quinn, procedure="grouped")
    second = world.ask(olga, procedure="grouped")
    first.refresh_from_db()
    assert (first.state, second.state) == ("canceled", "queued")
    assert f"#{second.no}" in first.message
    from procedures.models import Runner
    from procedures.runner.drive import identity

    claim_run(run=second.id, runner=Runner.objects.get(pk=identity().id), at=now())
    third = world.ask(olga, procedure="grouped")
    second.refresh_from_db()
    assert (second.state, second.cancel_requested_at is not None, third.state) == ("running", True, "queued")
    drive(third.id)
    third.refresh_from_db()
    assert third.state == "queued", "it waits until the other has really ended"


def test_cancel_running_without_the_right_acts_as_reject(world: World) -> None:
    quinn = ready(world, "cancel-running")
    olga = other(world)
    first = world.ask(quinn, procedure="grouped")
    with pytest.raises(GroupBusy):
        world.ask(olga, procedure="grouped")
    first.refresh_from_db()
    assert first.state == "queued"


def test_another_procedure_with_the_same_group_is_no_conflict(world: World) -> None:
    quinn = ready(world, "reject")
    petra = ready(world, "reject", name="namesake")
    world.ask(quinn, procedure="grouped")
    assert world.ask(petra, procedure="namesake").state == "queued"
