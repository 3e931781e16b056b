"""The issuer reads from the log when an acceptance ends; no table of a database administrator undoes that."""

from __future__ import annotations

from datetime import timedelta

import pytest

from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.issuer.judgement import judge_run
from procedures.issuer.refusals import LeaseRefused
from procedures.issuer.replay import replay
from procedures.models import Person, Run, Version
from procedures.services import life
from tests.factories.portal import World
from tests.factories.transitions import unevidenced


def asked(world: World) -> Run:
    quinn = Person.objects.filter(username="quinn").first() or world.person("quinn")
    world.may(quinn, "run", procedure="hello")
    return world.ask(quinn)


def judged(run: Run, *, days: int = 0) -> tuple[str, ...]:
    return judge_run(replay(), run, parse(bytes(run.plan)), at=now() + timedelta(days=days))


def newer(world: World) -> Version:
    tom, tina = world.person("tom"), world.person("tina", "operations", key=True)
    world.may(tom, "author")
    world.may(tina, "review")
    version = world.submit(tom, README__md=b"# Hello again\n")
    world.review(tina, version, "operations", signed=True)
    return version


def test_an_acceptance_that_stands_is_judged_good(world: World) -> None:
    world.accepted()
    assert judged(asked(world)) == ()


def test_an_acceptance_ends_in_the_log_however_long_the_table_says(world: World) -> None:
    version = world.accepted()
    run = asked(world)
    grants = {name: {**grant, "expires_at": "2099-01-01T00:00:00.000000Z"} for name, grant in replay().grants.items()}
    authority = replay()
    authority.grants.clear()
    authority.grants.update(grants)
    Version.objects.filter(pk=version.pk).update(expires_at=now() + timedelta(days=9000))
    at = now() + timedelta(days=366)
    with pytest.raises(LeaseRefused, match="acceptance of the version has expired"):
        judge_run(authority, run, parse(bytes(run.plan)), at=at)
    assert judge_run(authority, run, parse(bytes(run.plan)), at=at - timedelta(days=2)) == ()


def test_an_expiry_in_the_log_is_not_undone_by_a_table(world: World) -> None:
    version = world.accepted()
    run = asked(world)
    Version.objects.filter(pk=version.pk).update(expires_at=now() - timedelta(seconds=1))
    life.expire_acceptances(at=now())
    Version.objects.filter(pk=version.pk).update(expires_at=now() + timedelta(days=9), state="accepted")
    with pytest.raises(LeaseRefused, match="acceptance of the version has expired"):
        judged(run)


def test_a_run_asked_before_its_version_was_superseded_goes_on_and_one_asked_after_does_not(world: World) -> None:
    version = world.accepted()
    before = asked(world)
    newer(world)
    assert judged(before) == ()
    version.refresh_from_db()
    with unevidenced():
        Version.objects.filter(procedure=version.procedure, state="accepted").update(state="superseded")
    with unevidenced():
        Version.objects.filter(pk=version.pk).update(state="accepted")
    after = world.ask(before.requester)
    assert after.digest == version.digest
    with pytest.raises(LeaseRefused, match="superseded before"):
        judged(after)


def test_a_revocation_reaches_the_issuer_whatever_the_table_says(world: World) -> None:
    version = world.accepted()
    run = asked(world)
    life.revoke_version(actor=world.mira, version=version.pk, reason="a hole", at=now())
    with unevidenced():
        Version.objects.filter(pk=version.pk).update(state="accepted")
    with pytest.raises(LeaseRefused, match="revoked"):
        judged(run)
