"""Secret results that go to Vault: on record before and after, the truth where they do not arrive, never half."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from procedures.credentials.vault import Vault
from procedures.domain.clock import now
from procedures.domain.leases import NoPlace
from procedures.domain.results import NoSuchPlace
from procedures.domain.sealing import secret_object
from procedures.evidence.models import Event
from procedures.models import LeaseRecord, Person, PoolKey, Run, SecretResult
from procedures.runner.drive import drive
from procedures.services import versions
from tests.credentials.vaults import Place, a_place
from tests.engine.test_plain_key import everything_stored
from tests.engine.test_results import CANARY, MAKE, found
from tests.engine.test_runs import run_it, text
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: rotate}}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development]
  timeout: 5m
  parameters: {{properties: {{team: {{type: string, title: Team, default: payments}}}}}}
  credentials:
    store: {{kind: vault, ttl: 5m}}
  steps:
    - {{id: make, action: "local:command", timeout: 20s, input: {{argv: [sh, -c, {script}]}}, onFailure: rollback}}
  rollback:
    - {{id: undo, action: "local:command", timeout: 20s, input: {{argv: [echo, undone]}}}}
  output:
    secrets:
      password:
        value: ${{{{ steps.make.output.password }}}}
        deliver: vault
        credential: store
        path: secret/teams/${{{{ parameters.team }}}}/db
"""


@pytest.fixture
def vault() -> Iterator[Place]:
    with a_place() as place:
        yield place


def rotator(world: World, vault: Place, script: str = MAKE) -> Person:
    pool = PoolKey.objects.get(environment_id="development").public
    world.propose("secret", secret_object(environment="development", name="approle", value=vault.login, pool=pool))
    ceiling = {"address": vault.vault.url, "secret": "approle"}
    words = {"environment": "development", "name": "store", "provider": "vault", "role": "deploy"}
    world.propose("binding", {**words, "ceiling": ceiling, "max_ttl_s": 900, "reach": {}})
    author, quinn = world.person("adam"), world.person("quinn")
    world.may(author, "author")
    files = {"procedure.yaml": YAML.format(script=json.dumps(script)).encode(), "README.md": b"x"}
    version = versions.submit_version(actor=author, files=files, note="", at=now())
    world.review(world.mira, version, "operations", "security", signed=True)
    world.may(quinn, "run", procedure="rotate")
    return quinn


def kinds(run: Run) -> list[str]:
    rows = Event.objects.filter(run=run.id).order_by("n").values_list("kind", flat=True)
    return [kind for kind in rows if kind.startswith(("result.", "lease.", "task."))]


def test_it_lies_in_vault_and_nowhere_else(world: World, vault: Place) -> None:
    run = run_it(world, rotator(world, vault), "rotate")
    assert run.state == "succeeded", run.message + text(run)
    assert vault.vault.stored == {"teams/payments/db": [{"password": CANARY}]}
    row = run.results.get()
    assert (row.state, row.where) == ("delivered", "Vault, secret/teams/payments/db, field password")
    assert kinds(run) == [
        "result.sending",
        "lease.intent",
        "lease.issued",
        "lease.revoked",
        "result.delivered",
        "task.finished",
    ]
    assert not found(everything_stored())
    assert all(not token.lives or "deploy" not in token.policies for token in vault.vault.tokens.values())


def test_what_does_not_arrive_ends_in_the_truth_and_is_undone(world: World, vault: Place) -> None:
    quinn = rotator(world, vault)
    run = run_it(world, quinn, "rotate", parameters={"team": "billing"})
    row, task = run.results.get(), run.tasks.get(step="make")
    assert (run.state, row.state, task.state) == ("failed", "undelivered", "failed")
    told = "The result password was made, and is not where it was to go: Vault answered 403, and nothing arrived"
    assert task.message.startswith(told)
    assert told in text(run)
    where = "Vault, secret/teams/billing/db, field password"
    assert run.message == f"make failed. password was made and is not there: {where}."
    assert "undone" in text(run)
    assert kinds(run)[-3:] == ["result.undelivered", "task.finished", "task.finished"]
    client = Client(HTTP_HOST="localhost")
    client.force_login(quinn, backend="procedures.access.backend.PasswordBackend")
    assert "made, and not there" in client.get(f"/runs/{run.id}/?tab=outputs").content.decode()
    assert not found(everything_stored())


def test_a_credential_that_is_not_lent_delivers_nothing_and_says_so(world: World, vault: Place) -> None:
    quinn = rotator(world, vault)
    vault.vault.sealed = True
    run = run_it(world, quinn, "rotate")
    assert (run.state, run.results.get().state) == ("failed", "undelivered")
    assert "503" in run.results.get().why
    assert not found(everything_stored())


def test_a_runner_that_dies_on_the_way_leaves_a_result_of_which_nobody_says_that_it_arrived(
    world: World, vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> None:
        raise SystemExit

    quinn = rotator(world, vault)
    monkeypatch.setattr(Vault, "put", dies)
    run = world.ask(quinn, procedure="rotate")
    with pytest.raises(SystemExit):
        drive(run.id)
    assert SecretResult.objects.get().state == "sending"
    assert kinds(run)[0] == "result.sending"
    assert "result.delivered" not in kinds(run)


def test_an_exception_on_the_way_shows_its_kind_and_no_word(
    world: World, vault: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(lease: Any, place: Any, value: Any) -> None:
        raise RuntimeError(value.reveal().hex())

    quinn = rotator(world, vault)
    monkeypatch.setattr(Vault, "put", breaks)
    run = run_it(world, quinn, "rotate")
    assert run.results.get().why == "RuntimeError on the way: it is not known whether it arrived."
    assert not found(everything_stored())


@pytest.mark.parametrize("team", ["../../sys", "a/../../b", "x?list=true", "a b", "a\n", "..", ""])
def test_no_parameter_leads_to_another_place(world: World, vault: Place, team: str) -> None:
    with pytest.raises(NoSuchPlace):
        world.ask(rotator(world, vault), procedure="rotate", parameters={"team": team})


def test_the_credential_is_lent_for_that_step_alone(world: World, vault: Place) -> None:
    run = run_it(world, rotator(world, vault), "rotate")
    (lease,) = LeaseRecord.objects.filter(run=run)
    assert (lease.step, lease.credential, lease.state) == ("make", "store", "revoked")


def test_a_binding_that_stores_nothing_is_refused_before_anything_is_made(world: World, vault: Place) -> None:
    quinn = rotator(world, vault)
    words = {"environment": "development", "name": "store", "provider": "sealed-secret", "role": "none", "reach": {}}
    world.propose("binding", {**words, "ceiling": {"secret": "approle", "env": "TOKEN"}, "max_ttl_s": 900})
    with pytest.raises(NoPlace, match="takes a binding to vault: store is bound to sealed-secret"):
        world.ask(quinn, procedure="rotate")
