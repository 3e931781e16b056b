"""What becomes of a run whose issuer is away, hangs or is killed: it waits in words, or ends in the truth."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from procedures.credentials.ssh_certificate import SshCertificate
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.domain.lending import NoLongerWanted
from procedures.evidence.queries import facts_of_run
from procedures.issuer import door as doors
from procedures.issuer import returning
from procedures.models import LeaseRecord, Person, Run, Runner, Task
from procedures.queries.capabilities import need_of, no_runner_for
from procedures.runner import apart, drive, reporting
from procedures.runner.apart import Apart, IssuerAway
from procedures.services import claims, leases, tasks
from procedures.services.runner_reports import report
from procedures.services.steady import steadily
from tests.engine.test_runs import procedure, text
from tests.factories.lending import CANARY, Claimed, claimed, furnish, listens
from tests.factories.portal import World, new_world
from tests.factories.transitions import unevidenced
from tests.fixtures.databases import FreshDatabase

pytestmark = pytest.mark.once
SECRET = (
    "{id: one, action: 'local:command', timeout: 9s,"
    " input: {argv: [sh, -c, 'printf %s \"$T\" | wc -c'], env: {T: '${{ secrets.token }}'}}}"
)


@pytest.fixture
def world(fresh_database: FreshDatabase, settings: Any, tmp_path: Path) -> World:
    """Its issuer is apart, and nobody listens yet."""
    settings.OPSPORTAL_ISSUER_SOCKET = str(tmp_path / "s")
    settings.OPSPORTAL_ISSUER_BOUND_S = 1
    settings.OPSPORTAL_HEARTBEAT_LOST_S = 3
    return new_world()


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Path]:
    """Takes connections and says nothing."""
    path = tmp_path / "hanging"
    with closing(socket.socket(socket.AF_UNIX)) as link:
        link.bind(str(path))
        link.listen(64)
        yield path


def kinds(run: Run) -> list[str]:
    return [fact.kind for fact in facts_of_run(run.pk)]


def test_a_step_whose_issuer_stays_away_fails_in_words_and_nothing_was_lent(world: World) -> None:
    run = world.ask(furnish(world), procedure="tidy")
    began = time.monotonic()
    drive.drive(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert "The issuer did not answer within 1 s: nothing was lent." in text(run)
    assert time.monotonic() - began < 30
    assert not LeaseRecord.objects.exists()
    assert kinds(run)[-1] == "run.finished"


def test_a_run_with_secrets_waits_for_its_issuer_and_goes_on_when_it_is_there(world: World, settings: Any) -> None:
    quinn = procedure(world, "secret", SECRET)
    run = world.ask(quinn, procedure="secret", secrets={"token": CANARY})
    drive.drive(run.pk)
    run.refresh_from_db()
    assert (run.state, hasattr(run, "claim")) == ("queued", False), (
        "it was let go of, for nobody has to answer anything"
    )
    (waited,) = [fact.facts for fact in facts_of_run(run.pk) if fact.kind == "run.waiting"]
    assert "The issuer did not answer" in waited["message"]
    with listens() as path:
        settings.OPSPORTAL_ISSUER_SOCKET = str(path)
        drive.drive(run.pk)
    run.refresh_from_db()
    assert (run.state, text(run).strip()) == ("succeeded", str(len(CANARY)))


def test_a_run_whose_secrets_the_issuer_does_not_open_fails_in_its_words(world: World, settings: Any) -> None:
    quinn = procedure(world, "secret", SECRET)
    run = world.ask(quinn, procedure="secret", secrets={"token": CANARY})
    row = run.sealed_secrets["token"]
    Run.objects.update(sealed_secrets={"token": {**row, "box": "00"}})
    with listens() as path:
        settings.OPSPORTAL_ISSUER_SOCKET = str(path)
        drive.drive(run.pk)
    run.refresh_from_db()
    assert (run.state, "does not open" in run.message) == ("failed", True)


def test_a_runner_that_does_not_reach_its_issuer_takes_nothing_that_needs_it_and_says_so(world: World) -> None:
    me = Runner.objects.get(pk=drive.identity().id)
    said = reporting.said(["development", "staging"])
    assert said["issuer"] == {"apart": True, "away": ["development", "staging"]}
    report(runner=me.pk, tier="B", version="x", said=said, at=now())
    me.refresh_from_db()
    needy, plain = world.ask(furnish(world), procedure="tidy"), world.ask(hello(world))
    assert no_runner_for(need_of(needy), now()) == "No runner of development reaches its issuer."
    assert claims.claim_run(run=needy.pk, runner=me, at=now()) is None
    needy.refresh_from_db()
    assert needy.state == "queued"
    assert no_runner_for(need_of(plain), now()) == ""
    assert claims.claim_run(run=plain.pk, runner=me, at=now()) is not None, "what needs no credential goes on"


def hello(world: World) -> Person:
    world.accepted()
    person = world.person("hanna")
    world.may(person, "run", procedure="hello")
    return person


def test_an_issuer_that_hangs_is_waited_for_no_longer_than_one_that_is_away(
    world: World, hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SILENT_S", 0.5)
    under_way = claimed(world)
    began = time.monotonic()
    with pytest.raises(IssuerAway):
        Apart(str(hanging), drive.identity()).lend(under_way.ask()).__enter__()
    assert time.monotonic() - began < 5
    assert not Apart(str(hanging), drive.identity()).answers()


@pytest.mark.parametrize("mood", ["away", "hanging", "working"])
def test_a_cancel_ends_the_wait_at_once_and_what_was_made_meanwhile_is_ended(
    world: World, hanging: Path, settings: Any, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OPSPORTAL_ISSUER_BOUND_S = 60
    under_way, over = claimed(world), threading.Event()
    real = SshCertificate.issue

    def slow(*given: Any, **more: Any) -> Any:
        time.sleep(2)
        return real(*given, **more)

    monkeypatch.setattr(SshCertificate, "issue", slow)
    with listens() as path:
        where = {"away": Path("/nowhere"), "hanging": hanging, "working": path}[mood]
        threading.Timer(0.5, over.set).start()
        began = time.monotonic()
        with pytest.raises(NoLongerWanted):
            Apart(str(where), drive.identity()).lend(under_way.ask(), over).__enter__()
        assert time.monotonic() - began < 2
        if mood == "working":
            end = time.monotonic() + 10
            while set(LeaseRecord.objects.values_list("state", flat=True)) != {"revoked"}:
                assert time.monotonic() < end
                time.sleep(0.05)
            assert under_way.told("lease.revoked")[0]["why"] == "its runner's connection was lost"


def test_an_issuer_that_works_for_long_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than the bound, and longer than silence is borne: it says that it works."""
    under_way, real = claimed(world), SshCertificate.issue
    monkeypatch.setattr(apart, "SILENT_S", 0.8)
    monkeypatch.setattr(doors, "WORKING_EVERY_S", 0.2)

    def slow(*given: Any, **more: Any) -> Any:
        time.sleep(2.5)
        return real(*given, **more)

    monkeypatch.setattr(SshCertificate, "issue", slow)
    with listens() as path, Apart(str(path), drive.identity()).lend(under_way.ask()) as lease:
        assert lease.material


def test_what_was_in_hand_when_the_issuer_went_away_is_given_back_to_the_next_one(world: World) -> None:
    under_way = claimed(world)
    with listens() as first:
        lending = Apart(str(first), drive.identity()).lend(under_way.ask())
        lease = lending.__enter__()
    assert LeaseRecord.objects.get().state == "issued", "a restart ends no step"
    first.parent.parent.mkdir()
    with listens(at=first):
        lending.__exit__(None, None, None)
    assert LeaseRecord.objects.get(pk=lease.id).state == "revoked"
    assert "its issuer was away meanwhile" in under_way.told("lease.revoked")[0]["why"]


def test_the_next_issuer_ends_what_nobody_has_in_hand_and_nothing_else(world: World) -> None:
    under_way = claimed(world)
    stock = drive.stock_here()
    begun, never, held = uuid7(), uuid7(), uuid7()
    asked = under_way.ask()
    for id in (begun, never, held):
        steadily(lambda id=id: leases.intended(id=id, asked=asked, provider="ssh-certificate", at=now()))
    with unevidenced():
        LeaseRecord.objects.filter(pk=begun).update(state="issued", issued_at=now(), handle="1")
    stock.held.add(held)
    later = now() + timedelta(minutes=1)
    task = running_task(under_way)
    try:
        assert returning.sweep(stock, ["staging"], at=later) == 0, "those of another environment are not its own"
        assert returning.sweep(stock, ["development"], at=now()) == 0, "what is young may be under way elsewhere"
        assert returning.sweep(stock, ["development"], at=later) == 1
        assert LeaseRecord.objects.get(pk=never).state == "revoked"
        assert LeaseRecord.objects.get(pk=begun).state == "issued", "its step still runs"
        task.delete()
        assert returning.sweep(stock, ["development"], at=later) == 1
        assert LeaseRecord.objects.get(pk=begun).state == "revoked"
        assert LeaseRecord.objects.get(pk=held).state == "intent"
    finally:
        stock.held.discard(held)
    assert not leases.issued(lease=lease_of(never), apart=True, at=now()), "what was given up is used by nobody"
    assert {row["how"] for row in under_way.told("lease.revoked")} == {"never-issued", "expires-only"}


def running_task(under_way: Claimed) -> Task:
    place: dict[str, Any] = {"phase": "steps", "step": "one", "position": 0, "batch": 0, "does": "x"}
    held: dict[str, Any] = {"run": under_way.run.pk, "token": under_way.token}
    return tasks.begin(**held, **place, target="web-1", attempt=1, at=now())


def lease_of(id: UUID) -> Any:
    return SimpleNamespace(id=id, handle="", evidence={}, issued_at=now(), expires_at=now())
