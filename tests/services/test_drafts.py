"""Drafts: run by their authors alone, in the disposable pool alone, and never with anything worth stealing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from procedures.domain.clock import now
from procedures.domain.errors import IllegalState, NotAllowed
from procedures.evidence.models import Event
from procedures.evidence.queries import facts_of_run
from procedures.models import Environment, Person, Run, Runner, Version
from procedures.runner import disposable
from procedures.runner.drive import drive, identity
from procedures.services import claims, drafts, versions
from procedures.services.runs import NotRunnable
from tests.factories.portal import World
from tests.factories.transitions import unevidenced
from tests.trials.hostile import DEFINITION, bundle

EVERYWHERE = DEFINITION.replace(b"[development]", b"[development, staging, production]")


def drafted(adam: Person, script: str = "echo fine", **more: bytes) -> Version:
    files = {**bundle(script), "procedure.yaml": EVERYWHERE, **{k.replace("__", "."): v for k, v in more.items()}}
    return drafts.submit_draft(actor=adam, files=files, note="", at=now())


def ask(world: World, person: Person, environment: str = "development", **more: Any) -> Run:
    return world.ask(person, procedure="hostile", environment=environment, draft=True, **more)


def text(run: Run) -> str:
    return "".join(run.log.order_by("seq").values_list("text", flat=True))


def test_an_author_runs_the_own_draft_and_it_is_called_one_everywhere(world: World, adam: Person, pool: Runner) -> None:
    version = drafted(adam, "echo $PARAM_WORD; echo word=$PARAM_WORD >> $OPSPORTAL_OUTPUT; echo no >&2")
    run = ask(world, adam, parameters={"word": "hello"})
    disposable.drive_draft(run.id)
    run.refresh_from_db()
    assert (run.state, run.draft, sorted(text(run).split())) == ("succeeded", True, ["hello", "no"])
    task = run.tasks.get()
    assert (task.exit_status, task.output, task.facts["sandbox"]) == (0, {"word": "hello"}, "cell")
    asked = next(fact for fact in facts_of_run(run.id) if fact.kind == "run.requested")
    assert (asked.facts["draft"], asked.facts["digest"]) == (True, version.digest)
    claimed = next(fact for fact in facts_of_run(run.id) if fact.kind == "run.claimed")
    assert claimed.facts["runner"] == str(pool.id)


def test_nobody_but_its_authors_runs_a_draft(world: World, adam: Person) -> None:
    drafted(adam)
    eve = world.person("eve")
    with pytest.raises(NotAllowed):
        ask(world, eve)
    world.may(eve, "run", procedure="hostile")
    with pytest.raises(NotAllowed):
        ask(world, eve)
    world.may(eve, "author")
    with pytest.raises(drafts.NoSuchDraft):
        ask(world, eve)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_draft_runs_where_the_environment_lets_it_and_never_in_production(
    world: World, adam: Person, environment: str
) -> None:
    drafted(adam)
    with pytest.raises(drafts.NoDraftsHere, match=environment):
        ask(world, adam, environment)
    assert not Run.objects.exists()


def test_a_draft_is_not_run_as_if_it_were_accepted(world: World, adam: Person) -> None:
    version = drafted(adam)
    world.may(adam, "run", procedure="hostile")
    with pytest.raises(NotRunnable):
        world.ask(adam, procedure="hostile")
    with pytest.raises(IllegalState, match="is draft"):
        world.review(world.mira, version, "operations")


CREDENTIAL = EVERYWHERE.replace(b"  steps:", b"  credentials: {k: {kind: ssh, account: d, ttl: 5m}}\n  steps:")
NETWORK = EVERYWHERE.replace(b"script: act.sh", b"script: act.sh, network: true")
LISTED = EVERYWHERE.replace(b"script: act.sh", b"script: act.sh, egress: ['api.example.com:443']")
REMOTE = EVERYWHERE.replace(
    b"  steps:\n",
    b"  steps:\n    - {id: web, action: 'http:request', timeout: 9s, input: {url: 'https://x.example/'}}\n",
)


@pytest.mark.parametrize(
    ("definition", "pointer"),
    [(NETWORK, "/steps/act"), (LISTED, "/steps/act"), (REMOTE, "/steps/web"), (CREDENTIAL, "/credentials")],
)
def test_what_a_draft_would_only_get_after_a_review_refuses_its_run(
    world: World, adam: Person, definition: bytes, pointer: str
) -> None:
    drafted(adam, procedure__yaml=definition)
    with pytest.raises(drafts.NotForDrafts) as refused:
        ask(world, adam)
    assert [where for where, _ in refused.value.problems] == [pointer]


def test_no_runner_that_holds_keys_takes_a_draft_and_the_pool_takes_nothing_else(
    world: World, adam: Person, pool: Runner
) -> None:
    drafted(adam)
    run = ask(world, adam)
    drive(run.id)
    run.refresh_from_db()
    assert run.state == "queued", "an ordinary runner leaves it alone"
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    reviewed = world.ask(quinn, procedure="hello")
    disposable.drive_draft(reviewed.id)
    reviewed.refresh_from_db()
    assert reviewed.state == "queued", "and the pool leaves the other alone"


def test_a_draft_that_was_withdrawn_or_whose_author_lost_the_right_is_refused_at_its_claim(
    world: World, adam: Person, pool: Runner
) -> None:
    version = drafted(adam)
    run = ask(world, adam)
    versions.withdraw_version(actor=adam, version=version.id, at=now())
    disposable.drive_draft(run.id)
    run.refresh_from_db()
    assert (run.state, "no draft any more" in run.message) == ("denied", True)


def test_a_draft_that_sql_calls_accepted_in_an_environment_that_sql_opens_gets_no_lease(
    world: World, adam: Person, pool: Runner
) -> None:
    """Everything that tables can say is said; the log knows better (rules 14 and 15)."""
    version = drafted(adam)
    run = ask(world, adam)
    Environment.objects.filter(name="staging").update(drafts=True)
    with unevidenced(), connection.cursor() as cursor:
        cursor.execute("UPDATE procedures_version SET state = 'accepted', accepted_at = submitted_at WHERE true")
        cursor.execute("UPDATE procedures_version SET expires_at = '2099-01-01 00:00:00+00:00' WHERE true")
        cursor.execute("UPDATE procedures_run SET environment_id = 'staging', draft = false WHERE true")
    assert Version.objects.get(pk=version.pk).state == "accepted"
    ordinary = Runner.objects.get(pk=identity().id)
    assert claims.claim_run(run=run.id, runner=ordinary, at=now()) is None
    run.refresh_from_db()
    assert (run.state, "no acceptance" in run.message) == ("denied", True)
    assert not Event.objects.filter(kind__in=["lease.intent", "lease.issued"]).exists()


def test_the_issuer_lends_nothing_to_a_draft_and_decides_so_from_the_log(world: World, adam: Person) -> None:
    from procedures.issuer.judgement import judge_run
    from procedures.issuer.refusals import LeaseRefused
    from procedures.issuer.replay import replay

    drafted(adam)
    run = ask(world, adam)
    Run.objects.filter(pk=run.pk).update(draft=False)
    run.refresh_from_db()
    with pytest.raises(LeaseRefused, match="A draft gets no credential"):
        judge_run(replay(), run, {}, at=now())


def test_what_a_draft_does_reaches_nothing(world: World, adam: Person, pool: Runner) -> None:
    place = Path(settings.OPSPORTAL_KEYS_DIR)
    drafted(
        adam,
        f"cat {place}/* 2>&1 | head -c 300; env | grep -c -i secret; : < /dev/tcp/127.0.0.1/22",
    )
    run = ask(world, adam)
    disposable.drive_draft(run.id)
    run.refresh_from_db()
    said = text(run)
    assert (run.state, "No such file" in said, "Network is unreachable" in said or "refused" in said) == (
        "failed",
        True,
        True,
    )


def test_a_draft_that_takes_too_long_ends(world: World, adam: Person, pool: Runner) -> None:
    slow = EVERYWHERE.replace(b"timeout: 20s", b"timeout: 1s")
    drafted(adam, "trap '' TERM; sleep 30", procedure__yaml=slow)
    run = ask(world, adam)
    disposable.drive_draft(run.id)
    run.refresh_from_db()
    assert (run.state, run.tasks.get().state) == ("failed", "timed_out")


def test_the_same_bytes_are_one_draft_and_new_ones_take_its_place_until_it_is_submitted(
    world: World, adam: Person
) -> None:
    first = drafted(adam)
    assert drafted(adam).pk == first.pk
    second = drafted(adam, "echo better")
    assert Version.objects.get(pk=first.pk).state == "withdrawn"
    files = versions.stored_files(second)
    version = versions.submit_version(actor=adam, files=files, note="", at=now())
    assert (version.state, Version.objects.get(pk=second.pk).state) == ("in_review", "withdrawn")


def test_whoever_may_author_tries_a_shipped_runbook_before_anybody_accepts_it(world: World, pool: Runner) -> None:
    world.shipped()
    shipped = Version.objects.get(procedure__name="hello", state="in_review")
    drafts.draft_of(actor=world.mira, version=shipped.id, at=now())
    run = world.ask(world.mira, procedure="hello", draft=True, parameters={"name": "Ada"})
    disposable.drive_draft(run.id)
    run.refresh_from_db()
    assert (run.state, text(run)) == ("succeeded", "Hello, Ada!\n")
    shipped.refresh_from_db()
    assert shipped.state == "in_review"
