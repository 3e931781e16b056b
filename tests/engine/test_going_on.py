"""Going on after an ending: what is done is skipped, what is owed runs again only where its author said it may."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed, NotFound
from procedures.evidence.queries import facts_of_run
from procedures.models import Notice, Person, Run, Stop
from procedures.services import continuing, life
from procedures.services.continuing import NothingToGoOnWith, NotSafeToGoOn, go_on_by_itself
from procedures.services.run_inputs import NotRunnable
from tests.engine.going_on import SAFE, Story, driven, failed, lost, on, row, story
from tests.engine.test_runs import procedure, steps
from tests.engine.test_strategies import town
from tests.factories.portal import PASSWORD, World

pytestmark = pytest.mark.ordinary
__all__ = ["story"]
C = ", input: {was: '${{ steps.a.output.by }}'}"


def asked(world: World, *rows: str, tail: str = "", **more: object) -> Run:
    return world.ask(procedure(world, "whole", *rows, tail=tail), procedure="whole", **more)


def test_it_goes_on_at_the_lost_step_and_later_steps_see_what_was_done(world: World, story: Story) -> None:
    run = lost(asked(world, row("a"), row("b", SAFE), row("c", C)), story, "b")
    assert story.took() == ["a", "b"]
    later = driven(on(run, reason="host is fine"))
    assert (later.state, story.took(), story.inputs[-1]) == ("succeeded", ["b", "c"], {"was": "a"})
    assert (later.continues, later.digest, later.parameters) == (run, run.digest, run.parameters)
    task = later.tasks.get(step="a")
    assert (task.state, task.carried, task.message) == (
        "skipped",
        run,
        f"Done in run #{run.no}, which this one goes on with.",
    )
    said = {fact.kind: fact.facts for fact in facts_of_run(later.pk)}
    assert said["run.goes_on"]["with"] == said["run.requested"]["continues"] == str(run.pk)
    assert said["run.goes_on"]["reason"] == "host is fine"


def test_what_was_not_declared_idempotent_is_refused_in_words(world: World, story: Story) -> None:
    run = lost(asked(world, row("a"), row("b")), story, "b")
    with pytest.raises(
        NotSafeToGoOn, match="lost contact, and what would be done again is not declared idempotent: b"
    ) as said:
        on(run)
    assert "start a new run" in said.value.next_step
    assert Run.objects.count() == 1


def test_after_a_failure_every_step_from_the_failed_one_on_must_be_declared(world: World, story: Story) -> None:
    run = failed(asked(world, row("a"), row("b", SAFE), row("c")), story, "b")
    with pytest.raises(NotSafeToGoOn, match="c"):
        on(run)
    quinn = procedure(world, "safe", row("a"), row("b", SAFE), row("c", SAFE))
    story.took()
    run = failed(world.ask(quinn, procedure="safe"), story, "b")
    assert (driven(on(run)).state, story.took()) == ("succeeded", ["a", "b", "b", "c"])


def test_what_a_rollback_may_have_undone_is_done_again_or_nothing_is(world: World, story: Story) -> None:
    tail = "  rollback:\n" + steps(row("undo", SAFE)) + "\n"
    rows = [row("a"), row("b", SAFE + ", onFailure: rollback")]
    with pytest.raises(NotSafeToGoOn, match="a"):
        on(failed(asked(world, *rows, tail=tail), story, "b"))
    quinn = procedure(world, "safe", row("a", SAFE), rows[1], tail=tail)
    run = failed(world.ask(quinn, procedure="safe"), story, "b")
    story.took()
    assert (driven(on(run)).state, story.took()) == ("succeeded", ["a", "b"])


def test_only_the_target_that_was_lost_is_done_again(world: World, story: Story) -> None:
    town(world, "web-1", "web-2", "web-3")
    each = ", each: '${{ targets }}'"
    tail = "  targets: {filter: 'role=web', strategy: {mode: rolling, batch: 1, order: random}}\n"
    run = lost(asked(world, row("a", each), row("b", each + SAFE), tail=tail), story, "b@web-2")
    begun = story.took()
    later = driven(on(run))
    every = [name for target in ("1", "2", "3") for name in (f"a@web-{target}", f"b@web-{target}")]
    assert (later.state, sorted([*begun, *story.took()])) == ("succeeded", sorted([*every, "b@web-2"]))
    assert parse(bytes(later.plan))["batches"] == parse(bytes(run.plan))["batches"]
    assert later.tasks.get(step="a", target="web-2").carried == run


def test_a_run_that_went_on_is_lost_and_goes_on_once_more(world: World, story: Story) -> None:
    first = lost(asked(world, row("a"), row("b", SAFE), row("c", SAFE + C)), story, "b")
    second = lost(on(first), story, "c")
    story.took()
    third = driven(on(second))
    assert (third.state, story.took(), story.inputs[-1]) == ("succeeded", ["c"], {"was": "a"})
    assert third.tasks.get(step="a").carried == first
    assert third.tasks.get(step="b").carried == second
    assert [run.no for run in continuing.chain_of(third)] == [second.no, first.no]


def test_always_runs_at_the_end_of_what_goes_on(world: World, story: Story) -> None:
    tail = "  always:\n" + steps(row("tidy", SAFE)) + "\n"
    run = lost(asked(world, row("a"), row("b", SAFE), tail=tail), story, "b")
    assert (driven(on(run)).state, story.took()) == ("succeeded", ["a", "b", "b", "tidy"])


def test_nobody_goes_on_with_what_ended_well_is_gone_on_with_or_is_not_theirs(world: World, story: Story) -> None:
    run = asked(world, row("a"), row("b", SAFE))
    with pytest.raises(NothingToGoOnWith, match="queued"):
        on(run)
    lost(run, story, "b")
    with pytest.raises(NotFound):
        on(run, actor=world.person("stranger"))
    vera = world.person("vera")
    world.may(vera, "view", procedure="whole")
    with pytest.raises(NotAllowed):
        on(run, actor=vera)
    later = on(run)
    with pytest.raises(NothingToGoOnWith, match=f"#{later.no} goes on with run #{run.no} already"):
        on(run)
    assert driven(later).state == "succeeded"
    with pytest.raises(NothingToGoOnWith, match="succeeded"):
        on(later)


def test_a_version_that_was_revoked_meanwhile_goes_on_with_nothing(world: World, story: Story) -> None:
    run = lost(asked(world, row("a"), row("b", SAFE)), story, "b")
    life.revoke_version(actor=world.mira, version=run.version_id, reason="bad", at=now())
    with pytest.raises(NotRunnable):
        on(run)


def test_the_sealed_secrets_go_along(world: World, story: Story) -> None:
    run = asked(world, row("a"), row("b", SAFE), secrets={"token": "hunter22-hunter22"})
    later = on(lost(run, story, "b"))
    assert later.sealed_secrets == run.sealed_secrets
    assert driven(later).state == "succeeded"


def test_the_portal_goes_on_by_itself_three_times_in_a_row_and_says_so(world: World, story: Story) -> None:
    run = asked(world, row("a"), row("b", SAFE))
    for _ in range(3):
        lost(run, story, "b")
        assert run.resume_at is not None
        assert go_on_by_itself(at=now()) == 1
        run = Run.objects.get(continues=run)
        assert (run.door, run.requester.username) == ("sweeper", "runner-whole")
    assert Notice.objects.filter(kind="run.goes_on", person=run.requester).count() == 3
    lost(run, story, "b")
    assert (run.resume_at, go_on_by_itself(at=now() + timedelta(minutes=1))) == (None, 0)
    assert driven(on(run)).state == "succeeded", "a person may all the same"


def test_the_portal_goes_on_with_nothing_that_is_unsafe_too_late_or_stopped(world: World, story: Story) -> None:
    unsafe = lost(asked(world, row("a"), row("b")), story, "b")
    quinn = procedure(world, "safe", row("b", SAFE))
    late = lost(world.ask(quinn, procedure="safe"), story, "b")
    assert (unsafe.resume_at, late.resume_at is None) == (None, False)
    assert go_on_by_itself(at=now() + timedelta(hours=1)) == 0
    late.refresh_from_db()
    assert late.resume_at is None, "its time is over for good"
    halted = lost(world.ask(quinn, procedure="safe"), story, "b")
    Stop.objects.create(environment_id="development", reason="a test", thrown_by=world.mira, thrown_at=now())
    assert go_on_by_itself(at=now()) == 1
    assert Run.objects.get(continues=halted).state == "denied"


def test_the_page_offers_it_tells_why_not_and_shows_the_chain(world: World, story: Story) -> None:
    run = lost(asked(world, row("a"), row("b", SAFE)), story, "b")
    world.may(run.requester, "view", procedure="whole")
    client = signed_in(run.requester)
    assert "Go on from here" in client.get(f"/runs/{run.pk}/").content.decode()
    answer = client.post(f"/runs/{run.pk}/continue/", {"reason": "looked at it"})
    later = Run.objects.get(continues=run)
    assert answer["Location"] == f"/runs/{later.pk}/"
    assert f"#{run.no}</a>" in client.get(f"/runs/{later.pk}/").content.decode()
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert f"#{later.no}</a> goes on with it" in page
    assert "Go on from here" not in page
    assert client.post(f"/runs/{run.pk}/continue/").status_code == 409


def test_the_page_says_what_is_not_safe(world: World, story: Story) -> None:
    run = lost(asked(world, row("a"), row("b")), story, "b")
    page = signed_in(run.requester).get(f"/runs/{run.pk}/").content.decode()
    assert "is not declared idempotent: b." in page
    assert "Go on from here" not in page


def signed_in(person: Person) -> Client:
    person.set_password(PASSWORD)
    person.save()
    client = Client()
    assert client.login(username=person.username, password=PASSWORD)
    return client
