"""The queue: locks, shared groups, limits, priority and fair share, each as somebody would try to get round it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.domain.states import RunState
from procedures.models import Claim, Environment, Hold, Person, Run, Runner, Space, Target
from procedures.queries import queue
from procedures.runner.drive import drive_next, identity
from procedures.services import claims, endings, holds, queue_limits, run_groups, versions
from procedures.services.claims import Claimed
from procedures.services.run_states import end
from tests.engine.test_runs import PROCEDURE, procedure, shell, steps
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary
ONE = shell("one", "echo here")
DEVELOPMENT: dict[str, Any] = {
    "name": "development",
    "title": "Development",
    "position": 0,
    "production": False,
    "drafts": True,
    "approvals": {},
    "min_strength": "session",
    "approval_expiry_s": 86_400,
    "reason_required": False,
}


def rules(world: World, **said: Any) -> None:
    world.confirmed("environment", {**DEVELOPMENT, "queue": said})


def hosts(*names: str) -> list[Target]:
    made = [
        Target(
            environment_id="development",
            name=name,
            address=f"{name}.test",
            host_key=f"ssh-ed25519 {name}",
            host_key_sha256=f"SHA256:{name}",
            tags={"role": "web", "name": name},
            since_at=now(),
        )
        for name in names
    ]
    return Target.objects.bulk_create(made)


def on_web(world: World, name: str, lock: str = "exclusive", order: str = "name") -> Person:
    """An accepted procedure that acts on every web host, and somebody who may run it."""
    adam = world.person(f"author-{name}")
    world.may(adam, "author")
    text = PROCEDURE.format(name=name, steps=steps(ONE), timeout="1m")
    text += f"  targets: {{filter: 'role=web', lock: {lock}, strategy: {{order: {order}}}}}\n"
    files = {"procedure.yaml": text.encode(), "README.md": b"x"}
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    quinn = world.person(f"runner-{name}")
    world.may(quinn, "run", procedure=name)
    return quinn


def me() -> Runner:
    return Runner.objects.get(pk=identity().id)


def claim(run: Run, at: Any = None) -> Claimed | None:
    return claims.claim_run(run=run.pk, runner=me(), at=at or now())


def parked(run: Run, *, since: timedelta = timedelta()) -> None:
    """As a gate leaves a run that a runner drove."""
    Claim.objects.filter(run=run).delete()
    with unevidenced():
        Run.objects.filter(pk=run.pk).update(state="waiting", state_since=now() - since)


def next_up(most: int = 4) -> list[UUID]:
    return queue.next_up(Environment.objects.get(pk="development"), now(), most)


def test_one_target_is_worked_on_by_one_run_whatever_the_procedure(world: World) -> None:
    hosts("web-1")
    quinn = on_web(world, "patch")
    petra = on_web(world, "restart")
    first, second = world.ask(quinn, procedure="patch"), world.ask(petra, procedure="restart")
    assert next_up() == [first.pk, second.pk]
    assert claim(first) is not None
    assert claim(second) is None
    assert (Run.objects.get(pk=second.pk).state, next_up()) == ("queued", [])
    over(first)
    assert next_up() == [second.pk]
    assert claim(second) is not None


def over(run: Run) -> None:
    with transaction.atomic():
        end(Run.objects.get(pk=run.pk), RunState.CANCELED, at=now(), actor=None, who="test")
    assert not Hold.objects.filter(run=run.pk).exists()


def test_who_shares_a_lock_waits_for_who_wants_it_alone_and_the_other_way_round(world: World) -> None:
    hosts("web-1")
    quinn = on_web(world, "read", "shared")
    petra = on_web(world, "write")
    reads, writes = world.ask(quinn, procedure="read"), world.ask(petra, procedure="write")
    assert claim(reads) is not None
    assert (claim(writes), next_up()) == (None, [])
    over(reads)
    assert claim(writes) is not None
    again = world.ask(quinn, procedure="read")
    assert (claim(again), next_up()) == (None, [])


def test_a_parked_run_keeps_its_lock_for_four_hours_and_takes_it_anew_after_that(world: World) -> None:
    hosts("web-1")
    quinn = on_web(world, "patch")
    first, second = world.ask(quinn, procedure="patch"), world.ask(quinn, procedure="patch")
    assert claim(first) is not None
    parked(first, since=timedelta(hours=3, minutes=59))
    assert (claim(second), next_up()) == (None, [])
    parked(first, since=timedelta(hours=4, seconds=1))
    assert next_up() == [second.pk]
    assert claim(second) is not None
    with unevidenced():
        Run.objects.filter(pk=first.pk).update(state="queued", state_since=now())
    assert claim(first) is None, "others have it meanwhile"
    over(second)
    assert next_up() == [first.pk]
    assert claim(first) is not None


def test_between_the_answer_at_a_gate_and_the_next_claim_nobody_slips_in(world: World) -> None:
    hosts("web-1")
    quinn = on_web(world, "patch")
    first, second = world.ask(quinn, procedure="patch"), world.ask(quinn, procedure="patch")
    assert claim(first) is not None
    parked(first)
    with unevidenced():
        Run.objects.filter(pk=first.pk).update(state="queued", state_since=now())
    assert claim(second) is None
    assert next_up() == [first.pk], "what is half-way goes first"


def test_the_locks_of_a_lost_runner_are_free_after_the_sweeper(world: World, settings: Any) -> None:
    hosts("web-1")
    quinn = on_web(world, "patch")
    first, second = world.ask(quinn, procedure="patch"), world.ask(quinn, procedure="patch")
    assert claim(first) is not None
    later = now() + timedelta(seconds=settings.OPSPORTAL_HEARTBEAT_LOST_S + 1)
    assert claim(second) is None
    assert endings.interrupt_lost(at=later) == [first.pk]
    assert claim(second) is not None


def test_a_group_takes_as_many_as_its_author_says_and_a_limit_alone_is_for_the_whole_procedure(world: World) -> None:
    quinn = procedure(world, "two", ONE, tail="  concurrency: {limit: 2}\n")
    rows = [world.ask(quinn, procedure="two") for _ in range(3)]
    assert [claim(row) is not None for row in rows] == [True, True, False]
    assert next_up() == []


SHARED = "  concurrency: {{shared: database, onConflict: {}}}\n"


def test_a_shared_group_takes_both_declarations(world: World) -> None:
    """An author alone declares nothing: neither a stranger's procedure nor a listed one that does not say so."""
    quinn = procedure(world, "migrate", ONE, tail=SHARED.format("queue"))
    with pytest.raises(holds.NotShared, match="does not list it"):
        world.ask(quinn, procedure="migrate")
    petra = procedure(world, "vacuum", ONE, tail=SHARED.format("queue"))
    olga = procedure(world, "harmless", ONE)
    rules(world, shared={"database": ["migrate", "vacuum", "harmless"]})
    first, second = world.ask(quinn, procedure="migrate"), world.ask(petra, procedure="vacuum")
    aside = world.ask(olga, procedure="harmless")
    assert claim(first) is not None
    assert claim(second) is None
    assert claim(aside) is not None


def test_a_harmless_procedure_kills_and_blocks_nothing_of_another(world: World) -> None:
    """H19: the attacker writes the group of somebody else's procedure, whole, and asks to take its place."""
    quinn = procedure(world, "payments", ONE, tail="  concurrency: {group: restart}\n")
    victim = world.ask(quinn, procedure="payments")
    assert claim(victim) is not None
    for number, group in enumerate(["restart", "../payments/restart", "development/payments/restart", "/restart"]):
        tail = f"  concurrency: {{group: '{group}', onConflict: cancel-running}}\n"
        mallory = procedure(world, f"harmless-{number}", ONE, tail=tail)
        run = world.ask(mallory, procedure=f"harmless-{number}")
        assert claim(run) is not None
    victim.refresh_from_db()
    assert (victim.state, victim.cancel_requested_at) == ("running", None)


def test_cancel_running_over_a_shared_group_needs_cancel_on_the_other_run(world: World) -> None:
    quinn = procedure(world, "migrate", ONE, tail=SHARED.format("queue"))
    petra = procedure(world, "vacuum", ONE, tail=SHARED.format("cancel-running"))
    rules(world, shared={"database": ["migrate", "vacuum"]})
    first = world.ask(quinn, procedure="migrate")
    assert claim(first) is not None
    with pytest.raises(run_groups.GroupBusy, match="Another run of the same group is running"):
        world.ask(petra, procedure="vacuum")
    first.refresh_from_db()
    assert first.cancel_requested_at is None
    world.may(petra, "cancel", procedure="migrate", environments=["staging"])
    with pytest.raises(run_groups.GroupBusy):
        world.ask(petra, procedure="vacuum")
    world.may(petra, "cancel", procedure="migrate", environments=["development"])
    world.ask(petra, procedure="vacuum")
    first.refresh_from_db()
    assert first.cancel_requested_at is not None


def test_high_priority_is_for_operators_and_software_chooses_none(world: World) -> None:
    quinn = procedure(world, "job", ONE)
    first = world.ask(quinn, procedure="job")
    with pytest.raises(NotAllowed, match="for operators of development"):
        world.ask(quinn, procedure="job", priority="high")
    with pytest.raises(InvalidInput, match="low, normal, high"):
        world.ask(quinn, procedure="job", priority="urgent")
    low = world.ask(quinn, procedure="job", priority="low")
    second = world.ask(quinn, procedure="job")
    world.may(quinn, "operate", environments=["development"])
    high = world.ask(quinn, procedure="job", priority="high")
    assert next_up() == [high.pk, first.pk, second.pk, low.pk]
    assert [queue.position(run, now()) for run in (high, first, second, low)] == [1, 2, 3, 4]
    Run.objects.filter(pk=low.pk).update(queued_at=now() - timedelta(minutes=21))
    low.refresh_from_db()
    assert (next_up(1), queue.position(low, now())) == ([low.pk], 1), "what waited long enough goes first"
    robot = world.account(world.person("owner"))
    world.may(robot, "run", procedure="job", environments=["development"])
    with pytest.raises(NotAllowed):
        world.ask(robot, procedure="job", priority="high")


def test_the_team_with_the_least_running_for_its_share_goes_next(world: World) -> None:
    quinn, petra = procedure(world, "a-job", ONE), procedure(world, "b-job", ONE)
    for name in ("a", "b"):
        Space.objects.create(
            name=name, title=name, leads=[], procedures=[f"{name}-job"], environments=[], verbs=[], days=1, risk="low",
            event=UUID(int=0), since_at=now(),
        )  # fmt: skip
    many = [world.ask(quinn, procedure="a-job") for _ in range(4)]
    few = [world.ask(petra, procedure="b-job") for _ in range(2)]
    assert {run.team for run in many} == {"a"}
    assert claim(many[0]) is not None
    assert next_up(1) == [few[0].pk]
    assert claim(few[0]) is not None
    assert next_up(1) == [many[1].pk]
    rules(world, shares={"b": 3})
    assert next_up(1) == [few[1].pk]


def test_limits_hold_at_the_claim_and_who_waits_too_long_a_line_is_told_which(world: World) -> None:
    quinn, petra = procedure(world, "job", ONE), procedure(world, "other", ONE)
    rules(world, procedures={"job": 1}, person_queued=3, queued=4, running=2)
    rows = [world.ask(quinn, procedure="job") for _ in range(3)]
    with pytest.raises(queue_limits.QueueFull, match="3 runs of yours wait in development"):
        world.ask(quinn, procedure="job")
    beside = world.ask(petra, procedure="other")
    with pytest.raises(queue_limits.QueueFull, match="4 runs wait in development"):
        world.ask(petra, procedure="other")
    assert claim(rows[0]) is not None
    assert claim(rows[1]) is None
    assert next_up() == [beside.pk]
    assert claim(beside) is not None
    last = world.ask(petra, procedure="other")
    assert (claim(last), next_up()) == (None, []), "two run in the environment"


def test_one_person_does_not_take_every_runner(world: World) -> None:
    quinn, petra = procedure(world, "job", ONE), procedure(world, "other", ONE)
    rules(world, person_running=1)
    rows = [world.ask(quinn, procedure="job") for _ in range(2)]
    assert claim(rows[0]) is not None
    assert (claim(rows[1]), next_up()) == (None, [])
    theirs = world.ask(petra, procedure="other")
    assert next_up() == [theirs.pk]


def test_a_message_is_a_hint_and_the_best_run_goes(world: World) -> None:
    quinn = procedure(world, "job", ONE)
    first, second = world.ask(quinn, procedure="job"), world.ask(quinn, procedure="job")
    drive_next(second.pk)
    assert list(Run.objects.order_by("no").values_list("state", flat=True)) == ["succeeded", "queued"]
    drive_next(first.pk)
    drive_next(first.pk)
    second.refresh_from_db()
    assert second.state == "succeeded"
