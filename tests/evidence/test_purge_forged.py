"""What a process that was taken over has erased by rows and events that nobody signed: nothing, and it is told (H36).

Whoever holds the web's place writes every row that an honest agreement leaves, and the event that is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client

from procedures.answers.drift import drift
from procedures.domain.canonical import parse_moment
from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.evidence import check, verify
from procedures.evidence.models import Event
from procedures.models import Artifact, ControlChange, LegalHold, Person, Purge, Run
from procedures.runner.erasing import Erasing
from procedures.services import artifacts, purges
from tests.evidence.conftest import Log
from tests.evidence.test_asserted import FORGERIES, event_written, unsigned, written
from tests.evidence.test_purge_attacks import by_hand, signed
from tests.evidence.test_purges import confirmed, object_of, old
from tests.factories.transitions import unevidenced
from tests.fixtures.parts import acting_as

__all__ = ["old"]
EVER = parse_moment("2099-01-01T00:00:00.000000Z")


def rows(run: Run, change: str | UUID) -> None:
    """The row, which says that the time is over whatever the run's date."""
    Purge.objects.create(run=run, change=change, agreed_at=EVER)


def forged(log: Log, run: Run, forge: Callable[..., tuple[bytes, tuple[Any, ...]]] = unsigned) -> str:
    """An agreement by SQL: the event, and in its transaction the row that names it. Its change's id."""
    max_, object = log.world.person("max", key=True), object_of(run)
    statement, signatures = forge(log.world, max_, "redaction", object)
    with acting_as("web"), transaction.atomic():
        change = written("redaction", object, statement, signatures)
        rows(run, change)
    return change


def erased(at: Any = None) -> int:
    return Erasing().round(at=at or now())["purged"]


def bodies(run: Run) -> int:
    return Event.objects.filter(run=run.pk).exclude(body=b"").count()


def refusals() -> list[dict[str, Any]]:
    return [json.loads(bytes(event.body)) for event in Event.objects.filter(kind="purge.refused").order_by("id")]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
def test_an_agreement_that_nobody_signed_erases_nothing_and_is_told_once(
    old: Log, forge: Callable[..., tuple[bytes, tuple[Any, ...]]]
) -> None:
    whole, change = bodies(old.run), forged(old, old.run, forge)
    old.sequence()
    assert [erased(), erased(), erased(now() + timedelta(hours=1))] == [0, 0, 0]
    assert bodies(old.run) == whole
    [told] = refusals()
    assert (told["change"], told["run"], told["count"]) == (change, str(old.run.pk), 1)
    assert told["why"].startswith("it is asserted by the platform alone: ")
    assert [(row.problem, row.done_at) for row in Purge.objects.all()] == [(told["why"], None)]
    found = verify.verify(old.pack(), old.key)
    assert (found["verdict"], found["purged"]) == ("SIGNED", [])
    assert {("purge", str(old.run.pk)), ("asserted", str(asserted_by(change)))} <= {
        (one.kind, one.what) for one in drift(now())
    }


def asserted_by(change: str) -> UUID:
    [event] = [e.pk for e in Event.objects.filter(kind="control.confirmed") if change.encode() in bytes(e.body)]
    return event


@pytest.mark.ordinary
def test_its_page_and_its_answer_name_what_was_refused(old: Log) -> None:
    change = forged(old, old.run)
    erased()
    client = Client(HTTP_HOST="localhost")
    client.force_login(old.world.mira, backend="procedures.access.backend.PasswordBackend")
    assert f"1 said to be agreed on by the change {change} and not erased" in client.get("/evidence/").content.decode()
    said = client.get("/api/v1/evidence/retention/").json()
    assert (said["agreed"], said["due"]) == (0, 1)
    assert [(row["change"], row["runs"]) for row in said["refused"]] == [(change, 1)]


def test_a_run_that_is_to_be_kept_goes_by_no_row_that_dates_itself_ahead(old: Log) -> None:
    """The database compares the run's date with what the row says of itself."""
    early = Run.objects.exclude(pk=old.run.pk).get()
    whole = bodies(early)
    forged(old, early)
    assert (erased(), bodies(early)) == (0, whole)


def test_two_who_hold_the_database_do_not_have_a_run_erased_before_its_date(old: Log) -> None:
    early = Run.objects.exclude(pk=old.run.pk).get()
    with transaction.atomic():
        rows(early, signed(old, object_of(early)))
    assert (erased(), [told["why"] for told in refusals()]) == (0, ["the run was to be kept when they agreed"])


def test_two_who_leave_out_the_one_of_them_who_asked_for_the_run_do_not_have_it_erased(old: Log) -> None:
    old.world.may(Person.objects.get(username="quinn"), "manage_access")
    with transaction.atomic():
        rows(old.run, signed(old, object_of(old.run, behind=[]), who=("nathan", "quinn")))
    assert erased() == 0
    [told] = refusals()
    assert "asserted by the platform alone" in told["why"] or "leaves out somebody" in told["why"]


def test_a_true_agreement_on_another_run_lends_its_number_to_none(old: Log) -> None:
    change = confirmed(old, old.world.propose("redaction", object_of(old.run)))
    early = Run.objects.exclude(pk=old.run.pk).get()
    with acting_as("web"), transaction.atomic():
        event_written("control.confirmed", {"control": "redaction", "change": str(change.pk), "object": {}})
        rows(early, change.pk)
    assert erased() == 1, "the run that they agreed on"
    assert bodies(early) > 0
    assert [told["why"] for told in refusals()] == ["it does not name this run"]


def test_what_two_people_signed_once_is_signed_for_nothing_that_is_written_again(old: Log) -> None:
    """Their statement, their signatures and another number: the log holds it before."""
    true = confirmed(old, old.world.propose("redaction", object_of(old.run)))
    Erasing().round(at=now())
    early = Run.objects.exclude(pk=old.run.pk).get()
    with acting_as("web"), transaction.atomic():
        again = written("redaction", object_of(early), bytes(true.statement), tuple(true.signatures))
        rows(early, again)
    assert (erased(), bodies(early) > 0) == (0, True)


def test_people_agree_on_a_run_that_somebody_said_they_had_agreed_on(old: Log) -> None:
    false = forged(old, old.run)
    erased()
    assert purges.due("", now())["runs"] == [str(old.run.pk)]
    true = confirmed(old, old.world.propose("redaction", object_of(old.run)))
    assert (str(Purge.objects.get().change), erased(), bodies(old.run)) == (str(true.pk), 1, 0)
    assert verify.verify(old.pack(), old.key)["purged"][0]["change"] == str(true.pk) != false
    assert [one for one in drift(now()) if one.kind == "purge"] == []


def test_a_run_that_waits_behind_a_forged_agreement_is_not_kept_from_going(old: Log) -> None:
    early = Run.objects.exclude(pk=old.run.pk).get()
    forged(old, early)
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    assert (erased(), bodies(old.run), bodies(early) > 0) == (1, 0, True)


# --- holds that were ended by nobody ---------------------------------------------------------------------------------


def hold_ended_by_sql(log: Log) -> None:
    """Both, the row and the event that the database asks of whoever changes it."""
    hold = log.world.propose("legal_hold", {"procedure": "hello", "basis": "Lawsuit 7", "requested_by": "case 7"})
    with acting_as("web"), transaction.atomic():
        written("legal_hold_end", {"hold": str(hold.pk), "reason": "settled"})
        LegalHold.objects.filter(pk=hold.pk).update(ended_at=now())


def test_a_hold_that_nobody_ended_keeps_what_the_sweeper_would_erase(old: Log) -> None:
    task = old.run.tasks.first()
    assert task is not None
    with unevidenced(), transaction.atomic():
        artifacts.store(old.run, task, [artifacts.Kept("report", "text/plain", b"x", False, 0)], now())
    row = Artifact.objects.get(name="report")
    hold_ended_by_sql(old)
    keeper = Erasing()
    assert [keeper.round(at=now() + timedelta(seconds=s))["artifacts"] for s in (0, 1, 61)] == [0, 0, 0]
    assert Artifact.objects.get(pk=row.pk).content is not None


def test_two_people_who_are_deceived_about_a_hold_have_no_run_erased(old: Log) -> None:
    """The portal shows them no hold, and they agree: the log still knows of it."""
    hold_ended_by_sql(old)
    change = confirmed(old, old.world.propose("redaction", object_of(old.run)))
    assert (change.state, erased()) == (ControlChange.State.CONFIRMED, 0)
    assert [told["why"] for told in refusals()] == ["a legal hold lived over the run when they agreed"]
    assert verify.verify(old.pack(), old.key)["purged"] == []


def test_a_hold_that_lives_by_the_log_alone_keeps_what_was_agreed_on_before(old: Log) -> None:
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    hold_ended_by_sql(old)
    assert erased() == 0
    assert [told["why"] for told in refusals()] == ["a legal hold lives over the run"]


def test_a_run_whose_row_names_somebody_else_stays_under_the_hold_of_whoever_asked_for_it(old: Log) -> None:
    """A process that was taken over writes another requester into the row: the event says who it was."""
    quinn = str(old.run.requester.subject)
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    Run.objects.filter(pk=old.run.pk).update(requester=old.world.mira)
    old.world.propose("legal_hold", {"subject": quinn, "basis": "Lawsuit 8", "requested_by": "case 8"})
    assert (erased(), [told["why"] for told in refusals()]) == (0, ["a legal hold lives over the run"])


# --- what is made of such an event elsewhere -------------------------------------------------------------------------


def test_bodies_that_went_by_an_agreement_that_nobody_signed_are_told_by_the_check(old: Log) -> None:
    with transaction.atomic():
        change = written("redaction", object_of(old.run))
        rows(old.run, change)
    old.sequence()
    by_hand(old.run)
    assert any("is missing" in text for text in check.check())


def test_an_event_that_cannot_be_read_erases_nothing_and_stops_nobody(old: Log) -> None:
    with acting_as("web"), transaction.atomic():
        change = written("redaction", {"runs": 5})
        event_written("control.confirmed", {"control": "redaction", "change": str(uuid7())})
        rows(old.run, change)
    assert Erasing().round(at=now())["purged"] == 0
    assert bodies(old.run) > 0
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    assert Erasing().round(at=now())["purged"] == 1


def test_where_the_log_cannot_be_judged_nothing_is_erased(old: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    confirmed(old, old.world.propose("redaction", object_of(old.run)))
    monkeypatch.setattr("procedures.issuer.erasing.replay", _defect)
    assert Erasing().round(at=now()) == {}
    assert bodies(old.run) > 0


def _defect(**_: object) -> None:
    raise KeyError("a defect of ours")
