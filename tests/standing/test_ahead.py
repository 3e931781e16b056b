"""Approved ahead: so many runs of one signed schedule go without asking, while each does exactly that (H24)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.answers.drift import drift
from procedures.answers.who import who_can
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.issuer.refusals import LeaseRefused
from procedures.models import Grant, Notice, PreApproval, Run, Standing, Version
from procedures.queries import ahead as queries
from procedures.runner.drive import drive
from procedures.services import approvals, endings, giving_ahead, leavers, life, standing_states
from procedures.services.approvals import PlanChanged
from procedures.services.giving_ahead import NotAhead, TakenBack
from tests.factories import ahead
from tests.factories.standing import until
from tests.factories.transitions import unevidenced
from tests.standing.conftest import Ready, due, fired, last, lent, said, swept

pytestmark = pytest.mark.ordinary


def test_so_many_runs_go_without_asking_and_the_next_one_waits(ready: Ready) -> None:
    row, sam = ready.settled(), ready.sam
    one = ahead.given(ready.world, sam, count=2)
    for number in (1, 2):
        run = fired(row)
        assert (run.state, run.approved_ahead.get().pre_approval) == ("queued", one)
        assert lent(run) == (str(sam.subject),)
        assert said("run.approved_ahead")[-1]["use"] == number
        drive(run.id)
        run.refresh_from_db()
        assert run.state == "succeeded", run.message
    third = fired(row)
    assert third.state == "awaiting_approval"
    assert "What sam approved ahead does not let it go: it is used up: 2 of 2 runs" in last(row).why
    assert {one.person.username for one in Notice.objects.filter(kind="standing.waits")} == {"olga", "sam"}
    [shown] = queries.given(row, now())
    assert (shown.left, "used up" in shown.why_not) == (0, True)
    assert not [one for one in drift(now()) if one.kind == "ahead"]
    [told] = [one for one in who_can("approve", procedure="hello", environment="staging", at=now()) if one.limits]
    assert (told.person, told.through, told.stands) == ("sam", "ahead:nightly", True)
    notice = Notice.objects.get(kind="standing.approved_ahead")
    assert (notice.person, notice.facts["count"], notice.facts["person"]) == (ready.plant.olga, "2", "Sam")


def test_nothing_of_the_rehearsal_stays(ready: Ready) -> None:
    ready.settled()
    before = (Run.objects.count(), len(said("run.requested")))
    found = giving_ahead.offer(actor=ready.sam, name="nightly", at=now())
    assert (Run.objects.count(), len(said("run.requested"))) == before
    assert found.plan["parameters"] == {"name": "world"}
    assert not {"run", "no", "requester"} & set(found.plan)
    row = Standing.objects.get()
    assert fired(row).no == 1, "numbers have no gap"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ahead_up_to": None}, "let no run of low risk be approved ahead"),
        ({"approvals": {}}, "needs an approval as things stand"),
    ],
)
def test_the_rules_of_the_environment_say_whether_and_at_which_risk(
    ready: Ready, change: dict[str, Any], why: str
) -> None:
    ready.settled()
    made = {name: value for name, value in (ahead.rules() | change).items() if value is not None}
    ready.world.confirmed("environment", made)
    with pytest.raises(NotAhead, match=why):
        ahead.given(ready.world, ready.sam)


def test_nothing_is_approved_ahead_at_high_risk_in_production(ready: Ready) -> None:
    with pytest.raises(InvalidInput, match="never high in production"):
        ready.world.confirmed("environment", ahead.rules(ahead_up_to="high"))
    ready.settled()
    Version.objects.update(risk="high")
    ready.world.confirmed("environment", ahead.rules(ahead_up_to="moderate"))
    with pytest.raises(NotAhead, match="let no run of high risk"):
        ahead.given(ready.world, ready.sam)


def test_it_is_for_some_runs_and_ninety_days_and_no_longer_than_the_schedule(ready: Ready) -> None:
    ready.settled(expires_at=until(20))
    for more, why in (({"count": 0}, "/runs"), ({"count": 2501}, "/runs"), ({"days": 0}, "/not_after")):
        with pytest.raises(InvalidInput) as refused:
            ahead.given(ready.world, ready.sam, **more)
        assert refused.value.problems[0][0] == why
    for days, last_day in ((21, 20), (91, 20)):
        with pytest.raises(InvalidInput, match=f"no later than {now() + timedelta(days=last_day):%Y-%m-%d}"):
            ahead.given(ready.world, ready.sam, days=days)
    ready.settled(expires_at=until(300))
    with pytest.raises(InvalidInput, match=f"no later than {now() + timedelta(days=90):%Y-%m-%d}"):
        ahead.given(ready.world, ready.sam, days=91)
    assert ahead.given(ready.world, ready.sam, days=89).runs == 3


def test_a_hook_and_what_does_not_stand_are_never_approved_ahead(ready: Ready) -> None:
    ready.plant.sets("hook", ready.plant.hook(environment="staging"))
    with pytest.raises(NotFound):
        ahead.given(ready.world, ready.sam, "deployed")
    row = ready.settled()
    standing_states.pause(actor=ready.plant.olga, kind="schedule", name="nightly", reason="x", at=now())
    with pytest.raises(NotAhead, match="is paused"):
        ahead.given(ready.world, ready.sam)
    row = ready.settled()
    with unevidenced():
        Version.objects.update(state="superseded")
    with pytest.raises(NotAhead, match="pins a version that is not the accepted one"):
        ahead.given(ready.world, ready.sam)
    assert not row.pre_approvals.exists()


def test_what_was_looked_at_is_what_is_signed(ready: Ready) -> None:
    ready.settled()
    with pytest.raises(PlanChanged):
        ahead.given(ready.world, ready.sam, plan_digest="sha256:" + "0" * 64)
    assert not PreApproval.objects.exists()


def test_a_plan_that_names_its_own_run_is_another_one_each_time(ready: Ready) -> None:
    adam = ready.world.person("adam")
    ready.world.may(adam, "author", procedure="hello")
    text = (
        b"apiVersion: opsportal/v1\nkind: Procedure\nmetadata: {name: hello}\nspec:\n  owner: group:default/x\n"
        b"  type: diagnostic\n  risk: low\n  environments: [staging]\n  timeout: 1m\n  parameters: {properties: "
        b"{name: {type: string, title: Name, default: x}}}\n  steps:\n    - {id: one, action: 'local:command', "
        b"timeout: 20s, input: {argv: [echo, '${{ run.id }}']}}\n"
    )
    newer = ready.world.submit(adam, procedure__yaml=text)
    ready.world.review(ready.world.mira, newer, "operations", "security", signed=True)
    newer.refresh_from_db()
    ready.plant.version = newer
    ready.settled()
    with pytest.raises(NotAhead, match="another one each time"):
        ahead.given(ready.world, ready.sam)


# What makes it count no more.


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("taken back", "it was taken back: no more"),
        ("set anew", "it is for nightly as it was set before"),
        ("left", "sam has left"),
        ("duty", "lost the duty"),
        ("right", "may not approve it any more"),
        ("rules", "the rules of staging let none be given ahead"),
        ("quorum", "the plan is another one: approvals: 2 × operations instead of 1 × operations"),
    ],
)
def test_what_makes_it_count_no_more_and_the_run_waits_in_words(ready: Ready, what: str, why: str) -> None:
    row, world, sam = ready.settled(), ready.world, ready.sam
    one = ahead.given(world, sam)
    if what == "taken back":
        giving_ahead.take_back(actor=sam, name="nightly", pre_approval=one.pk, reason="no more", at=now())
    elif what == "set anew":
        row = ready.settled(late="run_once")
    elif what == "left":
        leavers.close_person(actor=world.mira, person=sam.subject, at=now())
    elif what == "duty":
        gone = {"principal": f"person:{sam.subject}", "duty": "operations", "action": "remove"}
        world.confirmed("duty", gone)
    elif what == "right":
        grant = Grant.objects.get(person=sam)
        world.propose("grant_end", {"grant": str(grant.pk), "reason": "no longer"})
    elif what == "rules":
        world.confirmed("environment", {k: v for k, v in ahead.rules().items() if k != "ahead_up_to"})
    else:
        world.confirmed("environment", ahead.rules(approvals={"low": {"operations": 2}}))
    run = fired(row)
    assert (run.state, run.approved_ahead.count()) == ("awaiting_approval", 0)
    [shown] = queries.given(row, now())
    assert why in f"{last(row).why} {shown.why_not}"


def test_after_its_time_the_run_waits(ready: Ready) -> None:
    row = ready.settled(late="run_once")
    ahead.given(ready.world, ready.sam, days=0.001)
    assert swept(due(row) + timedelta(minutes=5)) == 1
    run = Run.objects.get()
    assert run.state == "awaiting_approval"
    assert "ended at" in queries.given(row, run.requested_at)[0].why_not


def test_a_revoked_version_asks_for_nothing_and_lends_nothing(ready: Ready) -> None:
    row = ready.settled()
    ahead.given(ready.world, ready.sam)
    run = fired(row)
    assert run.state == "queued"
    life.revoke_version(actor=ready.world.mira, version=run.version_id, reason="bad", at=now())
    with pytest.raises(LeaseRefused, match="revoked"):
        lent(run)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "denied"
    swept(due(row))
    assert last(row).outcome == "refused"


@pytest.mark.parametrize("what", ["taken back", "paused", "set anew"])
def test_what_has_not_begun_asks_again_where_it_was_taken_back_meanwhile(ready: Ready, what: str) -> None:
    row, sam = ready.settled(), ready.sam
    one = ahead.given(ready.world, sam)
    run = fired(row)
    assert run.state == "queued"
    if what == "taken back":
        giving_ahead.take_back(actor=ready.world.mira, name="nightly", pre_approval=one.pk, reason="no more", at=now())
    elif what == "paused":
        standing_states.pause(actor=ready.plant.olga, kind="schedule", name="nightly", reason="x", at=now())
    else:
        ready.settled(late="run_once")
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "awaiting_approval"
    assert "What sam approved ahead counts no more" in said("run.drifted")[-1]["why"]
    approved(ready, run)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "succeeded", "a person let it go"


def approved(ready: Ready, run: Run) -> None:
    statement = approvals.statement_for(actor=ready.sam, run=run, verdict="approve", at=now())
    signature = ready.world.signed("sam", canon(statement))
    approvals.decide_run(
        actor=ready.sam,
        run=run.pk,
        verdict="approve",
        plan_digest=run.plan_digest,
        comment="",
        signature=signature,
        at=run.requested_at,
    )


def test_whoever_gave_it_and_managers_of_the_place_take_it_back_and_nobody_else(ready: Ready) -> None:
    row, world = ready.settled(), ready.world
    nora, quinn = world.manager("nina"), world.person("quinn")
    world.may(quinn, "view", "approve", procedure="hello")
    for who in (ready.sam, nora):
        one = ahead.given(world, ready.sam)
        named = {"name": "nightly", "pre_approval": one.pk, "reason": "enough"}
        for other in (quinn, ready.plant.olga):
            with pytest.raises(NotAllowed, match="sam takes this back"):
                giving_ahead.take_back(actor=other, at=now(), **named)
        giving_ahead.take_back(actor=who, at=now(), **named)
        with pytest.raises(TakenBack):
            giving_ahead.take_back(actor=who, at=now(), **named)
    assert {n.person.username for n in Notice.objects.filter(kind="standing.taken_back")} == {"olga", "sam"}
    assert not [one for one in queries.given(row, now()) if not one.why_not]


def test_two_that_are_needed_come_from_two_people_and_one_alone_lets_nothing_go(ready: Ready) -> None:
    ready.world.confirmed("environment", ahead.rules(approvals={"low": {"operations": 2}}))
    row, tess = ready.settled(), ahead.approver(ready.world, "tess")
    for _ in range(2):
        ahead.given(ready.world, ready.sam)
    run = fired(row)
    assert (run.state, run.approved_ahead.count()) == ("awaiting_approval", 0), "one person counts once"
    assert "not enough alone" in last(row).why
    ahead.given(ready.world, tess)
    run.refresh_from_db()
    endings.cancel_run(actor=ready.plant.robot, run=run.pk, reason="", at=now())
    later = fired(row)
    assert (later.state, later.approved_ahead.count()) == ("queued", 2)
    assert set(lent(later)) == {str(ready.sam.subject), str(tess.subject)}
