"""Purging runs whose time is over: two people, a hole that everybody sees, and nothing else is lost (H36)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from procedures.answers.drift import drift
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence import check, verify
from procedures.evidence.models import Disclosure, Event
from procedures.models import ChainLink, ControlChange, LogChunk, Person, Purge, Run
from procedures.queries import retention
from procedures.runner.drive import drive
from procedures.runner.erasing import Erasing
from procedures.services import controls, exports, purges, reruns, run_comments
from procedures.services.control_deputies import BehindTheRuns
from procedures.services.unit import SecondPersonRequired
from tests.evidence.conftest import Log
from tests.fixtures.later import move
from tests.fixtures.offline_verifier import Engine, by_python, engine
from tests.second.verifier import verdict

pytestmark = pytest.mark.ordinary

BASIS = {"basis": "its time is over", "requested_by": "ticket 4711"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture
def old(log: Log, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A month later: the log's first run is kept for a year, its second one for thirty days, which are over."""
    log.world.confirmed("retention", {"days": 30})
    quinn = Person.objects.get(username="quinn")
    run = log.world.ask(quinn)
    drive(run.id)
    run_comments.comment_run(actor=quinn, run=run.id, body="a canary in a comment", at=now())
    run.refresh_from_db()
    log.sequence()
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
    move(monkeypatch, 31)
    log.world.manager("nathan")
    return dataclasses.replace(log, run=run)


def object_of(*runs: Run, **more: Any) -> dict[str, Any]:
    said = [str(run.pk) for run in runs]
    return {**BASIS, "runs": said, "behind": sorted(retention.behind([run.pk for run in runs])), **more}


def confirmed(log: Log, change: ControlChange, name: str = "nathan") -> ControlChange:
    by = Person.objects.get(username=name)
    return controls.confirm(
        actor=by, change=change.id, signature=log.world.signed(name, bytes(change.statement)), at=now()
    )


def purged(log: Log) -> ControlChange:
    change = confirmed(log, log.world.propose("redaction", object_of(log.run)))
    assert Erasing().round(at=now())["purged"] == 1
    return change


def all_say(page: Engine, log: Log, data: bytes) -> str:
    """What the three verifiers say of a pack: the same."""
    first, second = by_python(data, log.key), page.found(data, log.key)
    names = ("verdict", "member", "reason", "code") if "member" in first else tuple(first)
    assert {name: first[name] for name in names} == {name: second.get(name) for name in names}
    said = "refused" if "member" in first else str(first["verdict"])
    assert (said == "refused") == (verdict(data, log.key, []) == "refused")
    return said


def test_a_run_whose_time_is_over_goes_once_two_people_agree_and_the_pack_tells_of_it(old: Log, page: Engine) -> None:
    assert b"a canary" in old.pack()
    assert purges.due("", now())["runs"] == [str(old.run.pk)]
    events = Event.objects.filter(run=old.run.pk)
    headers = list(events.order_by("n").values_list("header", flat=True))
    assert Erasing().round(at=now())["purged"] == 0, "nothing goes by itself"
    change = old.world.propose("redaction", object_of(old.run))
    assert (change.state, Erasing().round(at=now())["purged"]) == (ControlChange.State.PROPOSED, 0)
    confirmed(old, change)
    assert Erasing().round(at=now())["purged"] == 1
    data = old.pack()
    found = verify.verify(data, old.key)
    [hole] = found["purged"]
    signers = sorted(str(Person.objects.get(username=name).subject) for name in ("mira", "nathan"))
    assert (hole["runs"], hole["bodies"], hole["by"], hole["change"]) == (1, events.count(), signers, str(change.pk))
    assert (found["verdict"], found["runs"]) == ("SIGNED", 2)
    assert f"PURGED: 1 run(s), {events.count()} bodies, after their time" in verify.told(found)
    assert [row["paths"] for row in found["erased"]] == [["(with its run)"]]
    assert headers == list(events.order_by("n").values_list("header", flat=True))
    assert b"canary" not in data
    assert check.check() == []
    assert all_say(page, old, data) == "SIGNED"


def test_nothing_of_what_was_asked_printed_or_said_is_left_in_the_tables(old: Log) -> None:
    assert LogChunk.objects.filter(run=old.run).exists()
    purged(old)
    run = Run.objects.get(pk=old.run.pk)
    assert (run.reason, run.parameters, run.output, bytes(run.plan)) == ("(erased)", {}, {}, b"")
    assert (run.no, run.state, run.digest, run.plan_digest) == (
        old.run.no,
        "succeeded",
        old.run.digest,
        old.run.plan_digest,
    )
    assert not LogChunk.objects.filter(run=run).exists()
    assert {bytes(body) for body in Event.objects.filter(run=run.pk).values_list("body", flat=True)} == {b""}
    assert not Disclosure.objects.filter(event__run=run.pk, sealed__isnull=False).exists()
    assert {(task.state, bool(task.output), bool(task.facts)) for task in run.tasks.all()} == {
        ("succeeded", False, False)
    }
    assert run.comments.get().body == "(erased)"
    with pytest.raises(reruns.Purged):
        reruns.rerun(actor=old.world.mira, run=run.pk, again=reruns.Again(), at=now())
    assert [row for row in drift(now()) if row.kind in ("run", "retention", "ahead")] == []


def test_its_page_and_its_answers_say_so(old: Log) -> None:
    change = purged(old)
    old.sequence()
    client = Client(HTTP_HOST="localhost")
    client.force_login(old.world.mira, backend="procedures.access.backend.PasswordBackend")
    for tab in ("", "?tab=plan", "?tab=outputs"):
        page = client.get(f"/runs/{old.run.pk}/{tab}").content.decode()
        assert "This run was purged" in page
        assert f"/changes/{change.pk}/" in page
        assert 'id="proof-check"' not in page
        assert "Run again" not in page
    said = client.get(f"/api/v1/runs/{old.run.pk}/").json()
    assert said["kept"]["purged"] == str(change.pk)
    events = client.get(f"/api/v1/runs/{old.run.pk}/events/").json()["results"]
    assert {row["facts"] for row in events} == {None}
    event = Event.objects.get(run=old.run.pk, kind="run.requested")
    assert "It was purged with its run" in client.get(f"/evidence/{event.pk}/").content.decode()
    assert client.get(f"/api/v1/runs/{old.run.pk}/dossier/").status_code == 200
    assert verify.verify_entry(client.get(f"/api/v1/runs/{old.run.pk}/proof/").content, old.key)["body"] is None
    page = client.get("/evidence/").content.decode()
    assert "1 run purged so far" in page
    assert client.get("/api/v1/evidence/retention/").json() | {"since": None} == {
        "floor_days": 30,
        "due": 0,
        "since": None,
        "agreed": 0,
        "purged": 1,
        "cold": 0,
        "refused": [],
    }


def test_a_filter_on_what_bodies_say_is_refused_in_words(old: Log, settings: Any, tmp_path: Path) -> None:
    purged(old)
    old.sequence()
    settings.OPSPORTAL_PUBLIC_DIR = tmp_path
    (tmp_path / "evidence.pub").write_text(old.key)
    with pytest.raises(InvalidInput, match=r"1 requests: whether they belong .* their runs were purged: narrow it"):
        exports.export(actor=old.world.mira, wanted={"door": "api"}, at=now())


def test_the_page_of_a_purge_names_runs_by_number_and_people_by_name(old: Log) -> None:
    client = Client(HTTP_HOST="localhost")
    client.force_login(old.world.mira, backend="procedures.access.backend.PasswordBackend")
    assert "Look at the purge" in client.get("/evidence/").content.decode()
    page = client.post("/changes/redaction/new/", {**BASIS, "purge": "1"}).content.decode()
    assert "1 run whose time is over is erased for good" in page
    assert f"1: #{old.run.no}" in page
    assert "Quinn" in page


# --- who must not, and when not ------------------------------------------------------------------------------------


def test_before_its_date_no_two_people_purge_a_run(old: Log) -> None:
    early = Run.objects.exclude(pk=old.run.pk).get()
    with pytest.raises(InvalidInput, match=f"is kept until .* .run #{early.no}."):
        old.world.propose("redaction", object_of(early, old.run))


def test_nobody_purges_a_run_that_they_stand_behind(old: Log) -> None:
    quinn = Person.objects.get(username="quinn")
    quinns = old.world.keys.setdefault("quinn", old.world.keys["nathan"])
    assert quinns
    old.world.may(quinn, "manage_access")
    with pytest.raises(SecondPersonRequired):
        controls.propose(actor=quinn, control="redaction", object=object_of(old.run), signature=None, at=now())
    change = old.world.propose("redaction", object_of(old.run))
    with pytest.raises(SecondPersonRequired):
        controls.confirm(actor=quinn, change=change.pk, signature=None, at=now())
    with pytest.raises(SecondPersonRequired):
        confirmed(old, change, "mira")
    with pytest.raises(InvalidInput, match="not those who stand behind"):
        old.world.propose("redaction", object_of(old.run, behind=[]))


def test_in_a_company_of_two_a_third_person_is_needed_and_each_door_says_so(old: Log) -> None:
    """What one of two managers asked for waits for somebody who is made one for as long as it takes."""
    mira, nathan = old.world.mira, Person.objects.get(username="nathan")
    ChainLink.objects.create(run=old.run, person=nathan, role="narrowed")
    assert purges.due("", now())["runs"] == []
    with pytest.raises(InvalidInput, match="make somebody else an access manager for as long as it takes"):
        old.world.propose("redaction", object_of(old.run))
    client = Client(HTTP_HOST="localhost")
    client.force_login(mira, backend="procedures.access.backend.PasswordBackend")
    page = client.post("/changes/redaction/new/", {**BASIS, "purge": "1"}).content.decode()
    assert "no two people are left to agree" in page
    old.world.manager("nadia")
    with pytest.raises(BehindTheRuns) as refusal:
        controls.propose(actor=nathan, control="redaction", object=object_of(old.run), signature=None, at=now())
    assert "an auditor, say" in refusal.value.next_step
    assert purges.due("", now())["runs"] == [str(old.run.pk)]
    confirmed(old, old.world.propose("redaction", object_of(old.run)), "nadia")
    assert Erasing().round(at=now())["purged"] == 1


def test_what_is_proposed_leaves_two_people_to_agree(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three managers two stand behind one run each: one run now, the other by others."""
    log.world.confirmed("retention", {"days": 30})
    first, second = (log.world.ask(Person.objects.get(username="quinn")) for _ in range(2))
    for run in (first, second):
        drive(run.pk)
    log.sequence()
    move(monkeypatch, 31)
    for name, run in (("nathan", first), ("nadia", second)):
        ChainLink.objects.create(run=run, person=log.world.manager(name), role="narrowed")
    assert purges.due("", now())["runs"] == [str(first.pk)]
    confirmed(log, log.world.propose("redaction", object_of(first)), "nadia")
    assert purges.due("", now())["runs"] == [str(second.pk)]
    confirmed(log, log.world.propose("redaction", object_of(second)), "nathan")
    assert Erasing().round(at=now())["purged"] == 2


def test_a_legal_hold_refuses_it_and_keeps_what_was_agreed_on(old: Log) -> None:
    waits = old.world.propose("redaction", object_of(old.run))
    hold = old.world.propose("legal_hold", {"procedure": "hello", "basis": "Lawsuit 7", "requested_by": "case 7"})
    with pytest.raises(InvalidInput, match="under a legal hold"):
        confirmed(old, waits)
    ends = old.world.propose("legal_hold_end", {"hold": str(hold.pk), "reason": "settled"})
    confirmed(old, ends)
    confirmed(old, waits)
    old.world.propose("legal_hold", {"run": str(old.run.pk), "basis": "Lawsuit 8", "requested_by": "case 8"})
    assert Erasing().round(at=now())["purged"] == 0
    purge = Purge.objects.select_related("run").get()
    with pytest.raises(DatabaseError, match="under a legal hold"), transaction.atomic():
        purges.erase_one(purge, now())
    assert verify.verify(old.pack(), old.key)["purged"] == []
