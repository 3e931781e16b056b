"""What changed since the last success: in words, of what this person may see, and nothing where nothing did."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from procedures.domain.clock import now
from procedures.models import Person, Run, Runner
from procedures.queries.since_success import since_success
from procedures.services import versions
from tests.engine.test_runs import PROCEDURE, run_it, shell, steps
from tests.engine.test_strategies import rolling, town
from tests.factories.portal import World, public_text

pytestmark = [pytest.mark.django_db, pytest.mark.ordinary]


def told(person: Person, run: Run) -> list[tuple[str, str]]:
    found = since_success(person, run, now())
    assert found is not None
    return [(change.what, change.says) for change in found.changes]


def test_nothing_changed_and_no_success_are_told_apart(world: World) -> None:
    town(world, "web-1")
    quinn = rolling(world, "true", "mode: sequential")
    first = run_it(world, quinn, "rolls")
    assert since_success(quinn, first, now()) is None
    second = run_it(world, quinn, "rolls")
    found = since_success(quinn, second, now())
    assert found is not None
    assert (found.last, list(found.changes), found.later) == (first, [], False)


def test_version_parameters_targets_keys_and_software_are_named(world: World) -> None:
    town(world, "web-1", "web-2")
    quinn = rolling(world, "true", "mode: sequential")
    Runner.objects.update(software="9.9.8")
    run_it(world, quinn, "rolls", parameters={"word": "old"})
    key = public_text(Ed25519PrivateKey.generate())
    about = {"trust": "certificate", "tags": {"role": "web"}, "attributes": {}}
    place = {"environment": "development", "address": "192.0.2.1"}
    world.confirmed("target", {**place, **about, "name": "web-1", "port": 22, "host_key": key, "action": "set"})
    other = public_text(Ed25519PrivateKey.generate())
    world.confirmed("target", {**place, **about, "name": "web-3", "port": 99, "host_key": other, "action": "set"})
    text = PROCEDURE.format(name="rolls", steps=steps(shell("one", "exit 1")), timeout="1m")
    text += "  targets: {filter: role=web}\n"
    files = {"procedure.yaml": text.encode(), "README.md": b"x"}
    newer = versions.submit_version(actor=Person.objects.get(username="author-rolls"), files=files, note="", at=now())
    world.review(world.mira, newer, "operations")
    Runner.objects.update(software="9.9.9")
    run = run_it(world, quinn, "rolls", parameters={"word": "new"})
    assert run.state == "failed"
    rows = told(quinn, run)
    assert rows == [
        ("Version", "v2 instead of v1"),
        ("Parameter", "word: new instead of old"),
        ("Targets", "1 more: web-3"),
        ("Host keys", "another host key: web-1"),
        ("Runner software", "9.9.9 instead of 9.9.8"),
    ]


def test_a_success_that_one_may_not_see_is_not_told_of_but_that_there_was_one_is(world: World, client: Client) -> None:
    town(world, "web-1")
    quinn = rolling(world, "true", "mode: sequential")
    first = run_it(world, quinn, "rolls", parameters={"word": "mine"})
    olga = world.person("olga")
    world.may(olga, "run", procedure="rolls")
    run_it(world, olga, "rolls", parameters={"word": "hers-7b1c"})
    run = run_it(world, quinn, "rolls", parameters={"word": "mine"})
    found = since_success(quinn, run, now())
    assert found is not None
    assert (found.last, list(found.changes), found.later) == (first, [], True)
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    answer = client.get(f"/api/v1/runs/{run.pk}/since/").json()
    assert (answer["last"]["no"], answer["later_unseen"], answer["changes"]) == (first.no, True, [])
    assert "hers-7b1c" not in client.get(f"/runs/{run.pk}/").content.decode()


def test_on_a_failed_run_it_stands_before_the_steps(world: World, client: Client) -> None:
    town(world, "web-1")
    quinn = rolling(world, "test $PARAM_WORD = good", "mode: sequential")
    run_it(world, quinn, "rolls", parameters={"word": "good"})
    run = run_it(world, quinn, "rolls", parameters={"word": "<b>bad"})
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert page.index("Since the last success") < page.index('id="steps"')
    assert "word: &lt;b&gt;bad instead of good" in page
