"""The same again: what is asked once more, where, of which version, and by whom it may not be."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.queries import facts_of_run
from procedures.models import Person, Run
from procedures.services import versions
from procedures.services.reruns import Again, NotEnded, NothingFailed, rerun
from procedures.services.runs import NotRunnable
from tests.engine.test_runs import PROCEDURE, procedure, run_it, shell, steps
from tests.engine.test_strategies import rolling, town
from tests.factories.portal import PASSWORD, World

pytestmark = [pytest.mark.django_db, pytest.mark.ordinary]


def again(actor: Person, run: Run | UUID, **more: object) -> Run:
    return rerun(actor=actor, run=getattr(run, "pk", run), again=Again(**more), at=now())


def half_failed(world: World) -> tuple[Person, Run]:
    town(world, "web-1", "web-2", "web-3")
    quinn = rolling(world, "test $AT = web-2", "mode: rolling, batch: 1, maxFailures: 3")
    return quinn, run_it(world, quinn, "rolls")


def test_only_where_it_went_wrong_and_the_record_says_of_which_run(world: World) -> None:
    quinn, run = half_failed(world)
    second = again(quinn, run, failed_only=True, reason="mended")
    assert (second.narrowed_to, second.again_of, second.state) == (["web-1", "web-3"], run, "queued")
    asked = next(fact for fact in facts_of_run(second.pk) if fact.kind == "run.requested")
    assert asked.facts["again_of"] == str(run.pk)
    assert again(quinn, run).narrowed_to == []


def test_nothing_failed_not_ended_and_not_there_are_told_apart(world: World) -> None:
    quinn = procedure(world, "plain", shell("one", "true"))
    waiting = world.ask(quinn, procedure="plain")
    with pytest.raises(NotEnded, match="queued"):
        again(quinn, waiting)
    done = run_it(world, quinn, "plain")
    with pytest.raises(NothingFailed):
        again(quinn, done, failed_only=True)
    with pytest.raises(NotFound):
        again(world.person("stranger"), done)


def test_who_may_look_but_not_run_is_refused(world: World) -> None:
    quinn = procedure(world, "plain", shell("one", "true"))
    done = run_it(world, quinn, "plain")
    vera = world.person("vera")
    world.may(vera, "view", procedure="plain")
    with pytest.raises(NotAllowed):
        again(vera, done)
    assert Run.objects.count() == 1


def test_another_version_since_is_refused_unless_it_is_asked_for(world: World) -> None:
    quinn = procedure(world, "plain", shell("one", "true"))
    done = run_it(world, quinn, "plain")
    text = PROCEDURE.format(name="plain", steps=steps(shell("one", "echo newer")), timeout="1m")
    files = {"procedure.yaml": text.encode(), "README.md": b"x"}
    newer = versions.submit_version(actor=Person.objects.get(username="author-plain"), files=files, note="", at=now())
    world.review(world.mira, newer, "operations")
    with pytest.raises(NotRunnable, match=newer.digest):
        again(quinn, done)
    assert again(quinn, done, latest=True).version == newer


def test_a_secret_was_never_kept_and_is_given_anew(world: World) -> None:
    quinn = procedure(world, "plain", shell("one", "true"))
    done = run_it(world, quinn, "plain", secrets={"token": "hunter22-hunter22"})
    assert again(quinn, done, secrets={"token": "hunter33-hunter33"}).sealed_secrets
    with pytest.raises(InvalidInput, match="tokem"):
        again(quinn, done, secrets={"tokem": "x"})


def test_the_page_offers_it_fills_the_form_and_keeps_of_which_run(world: World) -> None:
    quinn, run = half_failed(world)
    quinn.set_password(PASSWORD)
    quinn.save()
    client = Client()
    assert client.login(username=quinn.username, password=PASSWORD)
    assert "Run again on 2 failed" in client.get(f"/runs/{run.pk}/").content.decode()
    form = client.get(f"/procedures/rolls/?from={run.pk}&failed=1").content.decode()
    assert f'name="from" value="{run.pk}"' in form
    assert "web-1 web-3" in form
    sent = {"environment": "development", "reason": "again", "targets": "web-1 web-3", "from": str(run.pk)}
    answer = client.post("/procedures/rolls/", sent)
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    second = Run.objects.get(again_of=run)
    assert second.narrowed_to == ["web-1", "web-3"]
    assert f"#{run.no}</a>" in client.get(f"/runs/{second.pk}/").content.decode()
    assert client.post("/procedures/rolls/", sent | {"from": str(world.mira.subject)}).status_code == 404
