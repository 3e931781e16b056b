"""What waits is told again at half and three quarters of its time, once each; nobody's choice hides the last call."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.decide_by import REVIEW_WITHIN, point
from procedures.domain.plan_words import short_code
from procedures.models import Approval, Notice, NoticeOff, Person, Run, Version
from procedures.queries import pages_shell
from procedures.services import approvals, deciding_late, sweeping
from tests.factories.portal import World
from tests.services.test_notices import asked_in_staging


def told(kind: str) -> set[str]:
    return set(Notice.objects.filter(kind=kind).values_list("person__username", flat=True))


def looked(run: Run, share: float) -> datetime:
    """The sweeper looks at this share of the run's time, twice and beside another one."""
    assert run.approval_expires_at is not None
    at = run.state_since + (run.approval_expires_at - run.state_since) * share
    deciding_late.remind_deciders(at=at)
    deciding_late.remind_deciders(at=at + timedelta(seconds=1))
    return at


def test_approvers_are_reminded_at_half_and_at_three_quarters_of_the_time_once_each(world: World) -> None:
    run = asked_in_staging(world)
    looked(run, 0.49)
    assert told("approval.reminder") == set()
    looked(run, 0.5)
    looked(run, 0.7)
    assert (told("approval.reminder"), told("approval.late")) == ({"mira", "olga"}, set())
    looked(run, 0.76)
    looked(run, 0.99)
    assert told("approval.late") == {"mira", "olga"}
    assert Notice.objects.filter(kind__startswith="approval.", person__username="olga").count() == 3
    assert "quinn" not in told("approval.reminder") | told("approval.late")
    rows = Notice.objects.filter(kind__startswith="approval.", person__username="olga")
    assert {row.facts["code"] for row in rows} == {short_code(run.plan_digest)}  # the one that page and commands show


def test_who_has_decided_is_not_reminded(world: World) -> None:
    run = asked_in_staging(world)
    Run.objects.filter(pk=run.pk).update(approvals_needed={"operations": 2})
    run.refresh_from_db()
    olga = Person.objects.get(username="olga")
    approvals.decide_run(
        actor=olga,
        run=run.id,
        verdict=Approval.Verdict.APPROVE,
        plan_digest=run.plan_digest,
        comment="",
        signature=None,
        at=now(),
    )
    looked(run, 0.8)
    assert told("approval.late") == {"mira"}


def test_the_last_call_reaches_also_who_wants_no_reminders(world: World, settings: object) -> None:
    settings.OPSPORTAL_SMTP = {"host": "localhost"}  # type: ignore[attr-defined]
    run = asked_in_staging(world)
    olga = Person.objects.get(username="olga")
    for kind in ("approval.reminder", "approval.late"):
        NoticeOff.objects.create(person=olga, kind=kind)
    looked(run, 0.6)
    looked(run, 0.8)
    states = dict(Notice.objects.filter(person=olga).values_list("kind", "state"))
    assert (states["approval.reminder"], states["approval.late"]) == ("off", "waiting")


def test_a_version_is_reminded_of_to_reviewers_and_not_to_its_author(world: World) -> None:
    adam = world.person("adam")
    world.may(adam, "author", "review")
    version = world.submit(adam)
    for share in (0.4, 0.6, 0.9):
        sweeping.remind(at=version.submitted_at + REVIEW_WITHIN * share)
    assert (told("review.reminder"), told("review.late")) == ({"mira"}, {"mira"})


def test_what_came_with_the_product_reminds_nobody(world: World) -> None:
    world.shipped()
    assert Version.objects.filter(state="in_review").exists()
    deciding_late.remind_deciders(at=now() + REVIEW_WITHIN * 0.9)
    assert told("review.late") == set()


def test_the_inbox_is_sorted_by_when_a_decision_is_due(world: World) -> None:
    first = asked_in_staging(world)
    second = world.ask(first.requester)
    Run.objects.filter(pk=second.pk).update(approval_expires_at=now() + timedelta(minutes=1))
    olga = Person.objects.get(username="olga")
    assert [run.pk for run in pages_shell.approvable(olga, now())] == [second.pk, first.pk]


@pytest.mark.once
@pytest.mark.parametrize(
    ("share", "due"), [(-1.0, ""), (0.0, ""), (0.49, ""), (0.5, "reminder"), (0.75, "late"), (1.0, ""), (2.0, "")]
)
def test_the_points_of_time(share: float, due: str) -> None:
    since = now()
    assert point(since, since + timedelta(hours=4), since + timedelta(hours=4) * share) == due


def test_time_that_has_no_length_reminds_nobody() -> None:
    assert point(now(), now() - timedelta(hours=1), now()) == ""
