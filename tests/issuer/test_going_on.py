"""An approval is carried over once, in time, for the same work; what a run skips was done, or no credential is lent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

from procedures.domain.canonical import canon, parse
from procedures.domain.clock import now
from procedures.domain.plan import plan_digest
from procedures.evidence import verify
from procedures.evidence.notes import load_key
from procedures.evidence.sequence import Sequencer
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Approval, Person, Run
from procedures.services import approvals, endings, life
from procedures.services.run_inputs import NotRunnable
from procedures.services.run_states import note
from tests.engine.going_on import SAFE, Story, driven, lost, on, quorum, row, story
from tests.engine.test_runs import procedure
from tests.evidence.conftest import Log
from tests.factories.portal import World
from tests.factories.transitions import unevidenced

pytestmark = pytest.mark.ordinary
__all__ = ["story"]


@pytest.fixture
def petra(world: World, settings: object) -> Person:
    """Somebody who may approve; development asks for it."""
    settings.OPSPORTAL_HEARTBEAT_S = 60  # type: ignore[attr-defined]
    found = world.person("petra", key=True)
    world.may(found, "approve", "run", "view")
    world.confirmed("duty", {"principal": f"person:{found.subject}", "duty": "operations", "action": "add"})
    quorum(world)
    return found


def approve(petra: Person, run: Run) -> None:
    approvals.decide_run(
        actor=petra, run=run.pk, verdict="approve", plan_digest=run.plan_digest, comment="", signature=None, at=now()
    )


def lost_once(world: World, petra: Person, story: Story, **more: object) -> Run:
    """A run that Petra approved and whose runner died in b."""
    quinn = procedure(world, "whole", row("a"), row("b", SAFE))
    run = world.ask(quinn, procedure="whole", **more)
    approve(petra, run)
    return lost(run, story, "b")


def judged(run: Run) -> tuple[str, ...]:
    run.refresh_from_db()
    return judge_run(replay(), run, parse(bytes(run.plan)), at=now())


def test_the_approval_goes_along_once_and_the_next_time_somebody_decides_again(
    world: World, petra: Person, story: Story
) -> None:
    run = lost_once(world, petra, story)
    second = on(run)
    assert (second.state, judged(second)) == ("queued", (str(petra.subject),))
    assert second.approval_expires_at == run.approvals.get().not_after_at
    lost(second, story, "b")
    third = on(second)
    assert (third.state, third.approvals_carried.count()) == ("awaiting_approval", 0)
    approve(petra, third)
    assert driven(third).state == "succeeded"


def test_a_continuation_that_never_began_spent_the_approval(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    second = on(run)
    canceled(second)
    third = on(run)
    assert third.state == "awaiting_approval"


def canceled(run: Run) -> None:
    endings.cancel_run(actor=run.requester, run=run.pk, reason="", at=now())


def test_an_approval_that_expired_is_asked_for_again(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    Approval.objects.filter(run=run).update(not_after_at=now() - timedelta(seconds=1))
    assert on(run).state == "awaiting_approval"


def test_who_approved_and_then_goes_on_approved_nothing(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    assert on(run, actor=petra).state == "awaiting_approval"


def test_other_rules_since_are_another_plan(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    quorum(world, approvals={"low": {"operations": 2}})
    later = on(run)
    assert (later.state, later.approvals_carried.count()) == ("awaiting_approval", 0)


def test_a_revoked_version_takes_its_approval_along(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    later = on(run)
    life.revoke_version(actor=world.mira, version=run.version_id, reason="bad", at=now())
    with pytest.raises(LeaseRefused, match="revoked"):
        judged(later)
    assert driven(later).state == "denied"
    with pytest.raises(NotRunnable):
        on(run)


# From here on whoever attacks writes to the tables, and to the log whatever needs nobody's signature.


def carried_again(run: Run, earlier: Run) -> None:
    """The log says of this run too that the approval was carried over to it."""
    row = earlier.approvals.get()
    facts = {"from": str(earlier.pk), "was_plan_digest": row.plan_digest, "plan_digest": run.plan_digest}
    facts |= {"digest": run.digest, "duties": row.duties, "strength": row.strength}
    with transaction.atomic():
        note(
            "run.approval_carried",
            run,
            at=now(),
            actor=row.approver.subject,
            statement=bytes(row.statement),
            signatures=row.signatures,
            facts=facts,
        )
    Approval.objects.filter(run=earlier).update(carried_to=run)


def queued_by_force(run: Run) -> Run:
    with transaction.atomic():
        note("run.queued", run, at=now(), actor=None, facts={"plan_digest": run.plan_digest})
        with unevidenced():
            Run.objects.filter(pk=run.pk).update(state="queued", queued_at=now())
    run.refresh_from_db()
    return run


def test_one_approval_never_speaks_for_two(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    canceled(on(run))
    third = on(run)
    carried_again(third, run)
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        judged(queued_by_force(third))
    assert driven(third).state == "succeeded", "the tables alone let it begin; it has no credential"


def test_other_parameters_were_never_approved(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    later = on(run)
    data = canon(parse(bytes(later.plan)) | {"parameters": {"word": "other"}})
    Run.objects.filter(pk=later.pk).update(plan=data, plan_digest=plan_digest(data), parameters={"word": "other"})
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        judged(later)
    assert driven(later).state == "denied"


def test_a_run_made_to_go_on_in_the_table_alone_is_refused(world: World, petra: Person, story: Story) -> None:
    run = lost_once(world, petra, story)
    other = world.ask(run.requester, procedure="whole")
    data = canon(parse(bytes(other.plan)) | {"continues": parse(bytes(on(run).plan))["continues"]})
    Run.objects.filter(pk=other.pk).update(continues=run, plan=data, plan_digest=plan_digest(data))
    other.refresh_from_db()
    with pytest.raises(LeaseRefused, match="differ about the run"):
        judged(other)


@pytest.mark.parametrize("forged", [{"step": "b"}, {"targets": ["web-9"]}], ids=["a step not done", "another target"])
def test_nothing_is_skipped_that_the_log_does_not_hold_as_done(
    world: World, petra: Person, story: Story, forged: dict[str, object]
) -> None:
    later = on(lost_once(world, petra, story))
    plan = parse(bytes(later.plan))
    plan["continues"]["kept"][0] |= forged
    with pytest.raises(LeaseRefused, match="does not hold that"):
        judge_run(replay(), later, plan, at=now())


def test_a_run_that_ended_well_lends_its_approval_to_nobody(world: World, petra: Person, story: Story) -> None:
    quinn = procedure(world, "whole", row("a"), row("b", SAFE))
    run = world.ask(quinn, procedure="whole")
    approve(petra, run)
    assert driven(run).state == "succeeded"
    with unevidenced():
        Run.objects.filter(pk=run.pk).update(state="interrupted")
    later = on(run)
    with pytest.raises(LeaseRefused, match="did not fail and was not interrupted"):
        judged(later)


def test_after_its_time_the_carried_approval_lets_nothing_begin(world: World, petra: Person, story: Story) -> None:
    later = on(lost_once(world, petra, story))
    with pytest.raises(LeaseRefused, match="Approvals are missing"):
        judge_run(replay(), later, parse(bytes(later.plan)), at=now() + timedelta(hours=2))


def test_a_pack_proves_the_carried_approval_and_refuses_it_twice(
    world: World, petra: Person, story: Story, tmp_path: Path
) -> None:
    run = lost_once(world, petra, story)
    later = driven(on(run))
    assert later.state == "succeeded"
    log = Log(world, Sequencer(load_key(tmp_path / "log.key", "test/log"), tmp_path / "log.published"), later)
    assert verify.verify(log.pack(), log.key)["verdict"] == "SIGNED"
    carried_again(world.ask(later.requester, procedure="whole"), run)
    with pytest.raises(verify.Failed, match="another run or plan"):
        verify.verify(log.pack(), log.key)
