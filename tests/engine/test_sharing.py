"""A step over many targets, worked on by several runners; what they may not, and what is left when one is lost."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.db import connections, transaction

from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.lending import Lend
from procedures.evidence.models import Event
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Claim, Person, Run, Runner, StepBatch, Stop, Task, VersionFile
from procedures.runner import drive as driving
from procedures.runner import helping
from procedures.runner.identity import Identity, load_identity
from procedures.services import batches, claims, life, tasks
from procedures.services.claims import ClaimLost
from tests.engine.test_runs import procedure, shell, text
from tests.engine.test_strategies import NAMES, TEST, town
from tests.factories.portal import World, new_world
from tests.fixtures.databases import FreshDatabase

PLACE: dict[str, Any] = {"phase": "steps", "step": "one", "position": 0, "batch": 0}


@pytest.fixture
def world(fresh_database: FreshDatabase, settings: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    """Real commits, for several runners at once, and three targets to a batch."""
    monkeypatch.setattr(limits, "BATCH", 3)
    settings.OPSPORTAL_HEARTBEAT_S = 0.1
    settings.OPSPORTAL_BATCH_DISPATCH = "tests.engine.test_sharing.unheard"
    world = new_world()
    town(world, *NAMES)
    return world


def unheard(*_: object) -> None:
    """No message comes: each test says itself who helps."""


@pytest.fixture
def helper(world: World) -> Identity:
    """A second runner of development."""
    me = load_identity(Path(django_settings.OPSPORTAL_KEYS_DIR), name="second")
    world.may(world.manager(), "operate")
    made = {"runner": str(me.id), "public": me.public, "environments": ["development"]}
    world.confirmed("runner", {"name": "second", **made})
    return me


def many(world: World, script: str, *more: str) -> Person:
    row = f"{{id: one, {TEST}, input: {{argv: [sh, -c, {script!r}], env: {{AT: '${{{{ each.name }}}}'}}}}}}"
    return procedure(world, "wide", row, *more, tail="  targets: {filter: role=web}\n", timeout="2m")


def as_second(me: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helping, "identity", lambda: me)


def kinds(run: Run, kind: str) -> list[dict[str, Any]]:
    rows = Event.objects.filter(run=run.pk, kind=kind).order_by("n")
    return [json.loads(bytes(row.body)) for row in rows]


def in_thread(work: Any, *given: Any) -> threading.Thread:
    def inside() -> None:
        try:
            work(*given)
        finally:
            connections.close_all()

    thread = threading.Thread(target=inside)
    thread.start()
    return thread


def handed_out(run: Run) -> list[StepBatch]:
    for _ in range(400):
        if rows := list(StepBatch.objects.filter(run=run).order_by("pk")):
            return rows
        time.sleep(0.02)
    raise AssertionError("nothing was handed out")


def under_way(world: World, quinn: Person) -> tuple[Run, claims.Claimed]:
    """A run that its driver has claimed, with its one step handed out and nothing of it begun."""
    run = world.ask(quinn, procedure="wide")
    claimed = claims.claim_run(run=run.pk, runner=Runner.objects.get(pk=driving.identity().id), at=now())
    assert claimed is not None
    batches.hand_out(run=run.pk, token=claimed.token, labels=list(NAMES), at=now(), **PLACE)
    return run, claimed


def begin(run: Run, token: UUID, target: str) -> Task:
    return tasks.begin(run=run.pk, token=token, target=target, attempt=1, does="x", at=now(), **PLACE)


def test_whoever_drives_alone_works_through_every_batch_once(world: World) -> None:
    quinn = many(world, "echo done at $AT")
    run = world.ask(quinn, procedure="wide")
    driving.drive(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert sorted(text(run).splitlines()) == sorted(f"done at {name}" for name in NAMES)
    assert [len(row.labels) for row in StepBatch.objects.filter(run=run).order_by("pk")] == [3, 3, 2]
    assert set(StepBatch.objects.values_list("state", flat=True)) == {"done"}


def test_another_runner_carries_out_a_batch_under_its_own_name(
    world: World, helper: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_second(helper, monkeypatch)
    quinn = many(world, "sleep 0.5; echo done at $AT", shell("two", "echo last"))
    run = world.ask(quinn, procedure="wide")
    driver = in_thread(driving.drive, run.pk)
    last = handed_out(run)[-1]
    help_ = in_thread(helping.help_with, last.pk)
    help_.join(60)
    driver.join(60)
    run.refresh_from_db()
    assert run.state == "succeeded"
    assert sorted(text(run).splitlines()) == sorted([*(f"done at {name}" for name in NAMES), "last"])
    (taken,) = kinds(run, "batch.taken")
    assert (taken["runner"], taken["targets"]) == (str(helper.id), last.labels)
    by = {row["target"]: json.loads(json.dumps(row["dsse"])) for row in kinds(run, "task.finished") if row["target"]}
    assert len(by) == len(NAMES)
    assert Runner.objects.get(pk=helper.id).statements == len(last.labels), "each by the runner that saw it"


def test_a_batch_is_taken_once_and_never_by_its_own_driver(world: World, helper: Identity) -> None:
    run, claimed = under_way(world, many(world, "true"))
    second, own = Runner.objects.get(pk=helper.id), Runner.objects.get(pk=driving.identity().id)
    (first, *_) = handed_out(run)
    assert batches.take(batch=first.pk, runner=own, at=now()) is None
    assert batches.take(batch=uuid4(), runner=second, at=now()) is None
    assert batches.take(batch=first.pk, runner=second, at=now()) is not None
    assert batches.take(batch=first.pk, runner=second, at=now()) is None
    held: dict[str, Any] = {"run": run.pk, "token": claimed.token}
    ids = [row.pk for row in handed_out(run)]
    rest = [batches.next_own(**held, runner=own.pk, ids=ids, at=now()) for _ in range(3)]
    assert [row and row.labels for row in rest] == [list(NAMES[3:6])] * 3, "the same until it is done"
    assert rest[0] is not None
    batches.done(rest[0])
    last = batches.next_own(**held, runner=own.pk, ids=ids, at=now())
    assert last is not None
    assert last.labels == list(NAMES[6:])
    batches.done(last)
    assert batches.next_own(**held, runner=own.pk, ids=ids, at=now()) is None
    assert batches.hand_out(**held, labels=list(NAMES), at=now(), **PLACE) == ids, "handed out once by one claim"


@pytest.mark.parametrize(
    "change",
    ["stopped", "revoked", "bytes", "other environment", "ended runner", "disposable", "canceled", "run over"],
)
def test_who_would_help_decides_again_and_leaves_what_is_not_allowed_any_more(
    world: World, helper: Identity, change: str
) -> None:
    run, claimed = under_way(world, many(world, "true"))
    (first, *_) = handed_out(run)
    runner = Runner.objects.filter(pk=helper.id)
    if change == "stopped":
        Stop.objects.create(environment_id="development", reason="a test", thrown_by=world.mira, thrown_at=now())
    elif change == "revoked":
        life.revoke_version(actor=world.mira, version=run.version_id, reason="a hole", at=now())
    elif change == "bytes":
        VersionFile.objects.filter(version=run.version_id, path="procedure.yaml").update(content=b"kind: Procedure\n")
    elif change == "other environment":
        runner.update(environments=["staging"])
    elif change == "ended runner":
        runner.update(ended_at=now())
    elif change == "disposable":
        runner.update(disposable=True)
    elif change == "canceled":
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=now())
    else:
        Claim.objects.filter(run=run).delete()
    assert batches.take(batch=first.pk, runner=runner.get(), at=now()) is None
    assert StepBatch.objects.get(pk=first.pk).state == "open"
    quiet = change in {"disposable", "canceled", "run over"}
    assert bool(kinds(run, "batch.refused")) is not quiet
    assert claimed.token


def test_a_helper_writes_only_while_its_batch_and_the_claim_above_it_stand(world: World, helper: Identity) -> None:
    run, claimed = under_way(world, many(world, "true"))
    (first, *_) = handed_out(run)
    taken = batches.take(batch=first.pk, runner=Runner.objects.get(pk=helper.id), at=now())
    assert taken is not None
    begin(run, taken.claimed.token, first.labels[0])
    with pytest.raises(ClaimLost), transaction.atomic():
        claims.hold(run.pk, taken.claimed.token)  # what ends a run or parks it asks this
    with pytest.raises(ClaimLost):
        begin(run, uuid4(), first.labels[1])
    Claim.objects.filter(run=run).update(token=uuid4())
    with pytest.raises(ClaimLost):
        begin(run, taken.claimed.token, first.labels[1])
    with pytest.raises(ClaimLost):
        batches.beat(batch=first.pk, token=taken.claimed.token, calls=[])
    assert claimed.token


def test_a_helper_is_lent_nothing_beyond_the_targets_and_the_step_it_was_handed(world: World, helper: Identity) -> None:
    run, _ = under_way(world, many(world, "true", shell("two", "true")))
    (first, second, *_) = handed_out(run)
    row = Runner.objects.get(pk=helper.id)
    taken = batches.take(batch=first.pk, runner=row, at=now())
    assert taken is not None

    def refusal(token: UUID, step: str, target: str, who: Identity = helper) -> str:
        asked = Lend(run.pk, token, step, target, 1, "deploy")
        with pytest.raises(LeaseRefused) as refused, driving.issuer("development", who).lend(asked):
            raise AssertionError("it was lent")
        return refused.value.message

    other = "is not running under this claim"
    mine = taken.claimed.token
    assert "uses no credential deploy" in refusal(mine, "one", first.labels[0]), "it is asked for what it needs"
    assert other in refusal(mine, "one", second.labels[0])
    assert other in refusal(mine, "two", first.labels[0])
    assert "does not hold the key" in refusal(mine, "one", first.labels[0], driving.identity())
    assert other in refusal(uuid4(), "one", first.labels[0])
    batches.done(StepBatch.objects.get(pk=first.pk, token=mine))
    assert other in refusal(mine, "one", first.labels[0]), "what is done is over"


@pytest.mark.parametrize("how", ["silent", "ended"])
def test_a_lost_helper_leaves_the_truth_and_what_it_never_began_to_others(
    world: World, helper: Identity, how: str
) -> None:
    run, claimed = under_way(world, many(world, "true"))
    rows = handed_out(run)
    taken = batches.take(batch=rows[0].pk, runner=Runner.objects.get(pk=helper.id), at=now())
    assert taken is not None
    begun = begin(run, taken.claimed.token, "web-1")
    if how == "silent":
        StepBatch.objects.filter(pk=rows[0].pk).update(heartbeat_at=now() - timedelta(hours=1))
    else:
        world.propose("runner_end", {"runner": str(helper.id), "reason": "stolen"})
        with pytest.raises(ClaimLost, match="was ended"):
            begin(run, taken.claimed.token, "web-2")
        with pytest.raises(ClaimLost):
            batches.beat(batch=rows[0].pk, token=taken.claimed.token, calls=[])
    ids = [row.pk for row in rows]
    assert batches.waiting_for(run=run.pk, token=claimed.token, ids=ids)
    begun.refresh_from_db()
    assert (begun.state, begun.remote) == ("interrupted", "unknown")
    back = StepBatch.objects.get(pk=rows[0].pk)
    assert (back.state, back.labels, back.runner) == ("open", ["web-2", "web-3"], None)
    (lost,) = kinds(run, "batch.lost")
    assert (lost["interrupted"], lost["left"]) == (["web-1"], ["web-2", "web-3"])
    with pytest.raises(ClaimLost):
        begin(run, taken.claimed.token, "web-2")
    mine = batches.next_own(run=run.pk, token=claimed.token, runner=driving.identity().id, ids=ids, at=now())
    assert mine is not None
    assert mine.labels == ["web-2", "web-3"]


def test_a_cancel_is_heard_by_whoever_helps(world: World, helper: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    as_second(helper, monkeypatch)
    quinn = many(world, "sleep 30")
    run = world.ask(quinn, procedure="wide")
    driver = in_thread(driving.drive, run.pk)
    help_ = in_thread(helping.help_with, handed_out(run)[-1].pk)
    for _ in range(400):
        if run.tasks.filter(state="running").count() > 3:
            break
        time.sleep(0.02)
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=now(), cancel_requested_by=quinn)
    help_.join(30)
    driver.join(30)
    run.refresh_from_db()
    assert run.state == "canceled"
    assert not run.tasks.filter(state="running").exists()
