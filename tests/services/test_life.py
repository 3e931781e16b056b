"""The life of an acceptance: it ends by itself, is renewed by a new review, and is revoked at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.clock import now
from procedures.domain.errors import IllegalState, InvalidInput, NotAllowed
from procedures.evidence.models import Event
from procedures.evidence.queries import accepted_digests
from procedures.models import Person, Procedure, Run, Version
from procedures.queries.due import due_for_review
from procedures.runner.drive import drive
from procedures.services import life, reviews, sweeping, versions
from procedures.services.life import NotDue
from procedures.services.runs import NotRunnable
from procedures.services.unit import SecondPersonRequired
from procedures.services.versions import ProcedureRetired
from tests.factories.portal import World


def kinds(version: Version) -> list[str]:
    rows = Event.objects.filter(procedure=version.procedure_id, kind__startswith="version.").order_by("id")
    return [row.kind for row in rows]


def ends(version: Version, *, days: int) -> Version:
    """As if the acceptance had been given long ago."""
    Version.objects.filter(pk=version.pk).update(expires_at=now() + timedelta(days=days))
    version.refresh_from_db()
    return version


def author(world: World) -> Person:
    tom = world.person("tom", key=True)
    world.may(tom, "author", "view", procedure="hello")
    return tom


def runner_of(world: World) -> Person:
    quinn = world.person("quinn")
    world.may(quinn, "run", "view", procedure="hello")
    return quinn


def test_an_acceptance_ends_by_itself_and_says_so_in_the_log(world: World) -> None:
    version = ends(world.accepted(), days=-1)
    assert life.expire_acceptances(at=now()) == 1
    version.refresh_from_db()
    assert (version.state, kinds(version)[-1]) == ("expired", "version.expired")
    assert life.expire_acceptances(at=now()) == 0


def test_the_sweeper_ends_acceptances(world: World) -> None:
    ends(world.accepted(), days=-1)
    assert sweeping.sweep(at=now())["acceptances"] == 1


def test_an_ended_acceptance_is_refused_before_any_sweep(world: World) -> None:
    version = world.accepted()
    quinn = runner_of(world)
    run = world.ask(quinn)
    ends(version, days=-1)
    with pytest.raises(NotRunnable, match="no accepted version"):
        world.ask(quinn)
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, "expired" in run.message) == ("denied", True)


def test_what_ends_soon_and_what_has_ended_is_due_but_not_what_was_replaced(world: World) -> None:
    version = world.accepted()
    tom = author(world)
    assert due_for_review(tom, now()) == []
    ends(version, days=20)
    assert [row.pk for row in due_for_review(tom, now())] == [version.pk]
    assert due_for_review(world.person("stranger"), now()) == []
    ends(version, days=-1)
    life.expire_acceptances(at=now())
    assert [row.pk for row in due_for_review(tom, now())] == [version.pk]
    life.resubmit_version(actor=tom, version=version.pk, note="", at=now())
    assert due_for_review(tom, now()) == []


def test_a_renewal_is_a_review_of_its_own_and_the_old_one_counts_for_nothing(world: World) -> None:
    version = ends(world.accepted(), days=5)
    tom = author(world)
    again = life.resubmit_version(actor=tom, version=version.pk, note="a year on", at=now())
    assert (again.digest, again.state, again.number) == (version.digest, "in_review", version.number + 1)
    assert again.reviews.count() == 0
    assert reviews.still_missing(again) != []
    tina = world.person("tina", "operations", key=True)
    world.may(tina, "review")
    world.review(tina, again, "operations", signed=True)
    again.refresh_from_db()
    version.refresh_from_db()
    assert (again.state, version.state) == ("accepted", "superseded")
    assert again.digest in accepted_digests(procedure=again.procedure_id)


def test_who_renews_is_an_author_and_cannot_accept_it(world: World) -> None:
    version = ends(world.accepted(), days=5)
    tom = author(world)
    world.may(tom, "review")
    again = life.resubmit_version(actor=tom, version=version.pk, note="", at=now())
    with pytest.raises(SecondPersonRequired):
        world.review(tom, again, "operations")


def test_an_acceptance_that_stands_for_long_is_not_due(world: World) -> None:
    version = world.accepted()
    with pytest.raises(NotDue, match="accepted until"):
        life.resubmit_version(actor=author(world), version=version.pk, note="", at=now())


def test_a_version_taken_back_needs_a_new_review_with_nothing_carried_over(world: World) -> None:
    """H40: reinstating what was superseded or revoked is a review of its own."""
    old = world.accepted()
    tom = author(world)
    tina = world.person("tina", "operations", key=True)
    world.may(tina, "review")
    newer = world.submit(tom, README__md=b"# Hello again\n")
    world.review(tina, newer, "operations", signed=True)
    old.refresh_from_db()
    assert old.state == "superseded"
    with pytest.raises(NotRunnable, match="accepted version"):
        world.ask(runner_of(world), digest=old.digest)
    back = life.resubmit_version(actor=tom, version=old.pk, note="the new one is slow", at=now())
    assert (back.state, back.digest, back.reviews.count()) == ("in_review", old.digest, 0)
    newer.refresh_from_db()
    assert newer.state == "accepted"


def test_revoking_stops_what_waits_in_the_queue_at_its_claim(world: World) -> None:
    version = world.accepted()
    run = world.ask(runner_of(world))
    life.revoke_version(actor=world.mira, version=version.pk, reason="a hole", at=now())
    run.refresh_from_db()
    assert run.state == "queued"
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, run.tasks.count()) == ("denied", 0)


def test_revoking_with_all_that_runs_ends_what_waits_at_once(world: World) -> None:
    version = world.accepted()
    run = world.ask(runner_of(world))
    life.revoke_version(actor=world.mira, version=version.pk, reason="a hole", at=now(), cancel_running=True)
    run.refresh_from_db()
    assert (run.state, "a hole" in run.message) == ("canceled", True)
    assert Event.objects.filter(run=run.id, kind="run.canceled").count() == 1


def test_revoking_bytes_revokes_every_acceptance_of_them(world: World) -> None:
    version = ends(world.accepted(), days=5)
    tina = world.person("tina", "operations", key=True)
    world.may(tina, "review")
    again = life.resubmit_version(actor=author(world), version=version.pk, note="", at=now())
    world.review(tina, again, "operations", signed=True)
    life.revoke_version(actor=world.mira, version=version.pk, reason="a hole in these bytes", at=now())
    again.refresh_from_db()
    assert again.state == "revoked"
    assert again.digest not in accepted_digests(procedure=again.procedure_id)


def test_revoking_needs_a_reason_and_the_right(world: World) -> None:
    version = world.accepted()
    with pytest.raises(InvalidInput, match="reason"):
        life.revoke_version(actor=world.mira, version=version.pk, reason="  ", at=now())
    with pytest.raises(NotAllowed):
        life.revoke_version(actor=runner_of(world), version=version.pk, reason="x", at=now())
    version.refresh_from_db()
    assert version.state == "accepted"


def test_a_retired_procedure_runs_nothing_takes_nothing_and_keeps_its_history(world: World) -> None:
    version = world.accepted()
    quinn, tom = runner_of(world), author(world)
    done = world.ask(quinn)
    drive(done.id)
    waiting = world.submit(tom, README__md=b"# Hello again\n")
    life.retire_procedure(actor=world.mira, procedure="hello", reason="replaced by greet", at=now())
    for row, state in ((version, "revoked"), (waiting, "withdrawn")):
        row.refresh_from_db()
        assert row.state == state
    with pytest.raises(NotRunnable, match="replaced by greet"):
        world.ask(quinn)
    with pytest.raises(ProcedureRetired, match="replaced by greet"):
        world.submit(tom, README__md=b"# Hello once more\n")
    assert Run.objects.get(pk=done.pk).state == "succeeded"
    with pytest.raises(IllegalState, match="retired already"):
        life.retire_procedure(actor=world.mira, procedure="hello", reason="again", at=now())


def test_a_retired_name_set_free_by_sql_still_runs_nothing(world: World) -> None:
    version = world.accepted()
    quinn = runner_of(world)
    run = world.ask(quinn)
    life.retire_procedure(actor=world.mira, procedure="hello", reason="replaced", at=now())
    Procedure.objects.filter(name="hello").update(retired_at=None)
    Version.objects.filter(pk=version.pk).update(state="accepted")
    drive(run.id)
    run.refresh_from_db()
    assert (run.state, "no acceptance" in run.message) == ("denied", True)


def test_a_restored_name_takes_submissions_but_nothing_comes_back_by_itself(world: World) -> None:
    world.accepted()
    life.retire_procedure(actor=world.mira, procedure="hello", reason="replaced", at=now())
    with pytest.raises(NotAllowed, match="bearer"):
        life.restore_procedure(actor=world.mira, procedure="hello", reason="back", at=now(), bearer=True)
    life.restore_procedure(actor=world.mira, procedure="hello", reason="back", at=now())
    with pytest.raises(NotRunnable):
        world.ask(runner_of(world))
    assert world.submit(author(world)).state == "in_review"


def test_withdrawing_is_for_the_submitter_and_authors(world: World) -> None:
    world.accepted()
    tom = author(world)
    version = world.submit(tom, README__md=b"# Hello again\n")
    with pytest.raises(NotAllowed):
        versions.withdraw_version(actor=runner_of(world), version=version.pk, at=now())
    assert versions.withdraw_version(actor=tom, version=version.pk, at=now()).state == "withdrawn"
