"""Secret results: made by a step, seen by nobody on the way, opened by whom they are for, gone in time."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from procedures.domain import age
from procedures.domain.canonical import parse
from procedures.domain.clock import now
from procedures.domain.encodings import forms
from procedures.domain.errors import NotAllowed, NotFound
from procedures.engine import withheld
from procedures.evidence.models import Event
from procedures.models import Person, Run, SecretResult
from procedures.runner.erasing import Erasing
from procedures.services import results
from procedures.services.recipients import NoKeyForResult
from tests.engine.test_plain_key import everything_stored
from tests.engine.test_runs import procedure, run_it, text
from tests.factories.portal import World

pytestmark = pytest.mark.ordinary

CANARY = "canary-9d41e7b206"
SAID = 'C="canary-9d41""e7b206"'  # no file of the procedure holds it whole
MAKE = f"{SAID}; echo making $C; echo $C >&2; echo $C | base64; echo password=$C >> $OPSPORTAL_OUTPUT"
ONCE = "password: {value: '${{ steps.make.output.password }}', deliver: once}"
READERS = (
    "password: {value: '${{ steps.make.output.password }}', deliver: readers, classification: confidential, keep: 5d}"
)


def maker(script: str = MAKE, more: str = "") -> str:
    return f"{{id: make, action: 'local:command', timeout: 20s, input: {{argv: [sh, -c, {json.dumps(script)}]}}{more}}}"


def declared(*rows: str) -> str:
    return "  output:\n    secrets:\n" + "".join(f"      {row}\n" for row in rows)


def asked(world: World, *rows: str, script: str = MAKE, more: str = "", tail: str = "") -> Person:
    quinn = procedure(world, "maker", maker(script, more), tail=declared(*(rows or (ONCE,))) + tail)
    world.enrol(quinn)
    return quinn


def made(world: World, *rows: str, **more: Any) -> tuple[Person, Run]:
    quinn = asked(world, *rows, **more)
    return quinn, run_it(world, quinn, "maker")


def found(where: bytes) -> list[bytes]:
    """The forms of the canary that stand in it."""
    return [form for form in forms(CANARY.encode()) if form in where]


def key_of(world: World, person: Person) -> Any:
    return world.keys[person.username]


def test_it_is_picked_up_once_by_its_requester_who_alone_opens_it(world: World) -> None:
    quinn, run = made(world)
    assert run.state == "succeeded", run.message + text(run)
    row = run.results.get()
    assert (row.state, row.deliver, row.name) == ("kept", "once", "password")
    taken, file = results.fetch_result(actor=quinn, run=run.id, result=row.id, at=now())
    assert age.decrypt(file, key_of(world, quinn)).decode() == CANARY
    assert (taken.state, taken.content) == ("picked_up", None)
    with pytest.raises(results.ResultGone, match="was picked up"):
        results.fetch_result(actor=quinn, run=run.id, result=row.id, at=now())
    assert SecretResult.objects.get().content is None
    event = Event.objects.get(kind="result.picked_up")
    assert parse(bytes(event.body))["sha256"] == hashlib.sha256(file).hexdigest()
    assert event.actor == quinn.subject


def test_the_value_is_found_nowhere_that_the_portal_keeps(world: World) -> None:
    _, run = made(world, ONCE, READERS.replace("password:", "shared:", 1))
    assert run.state == "succeeded"
    assert "making ***" in text(run)
    assert run.tasks.get().output == {}
    assert not found(everything_stored())


def test_the_search_finds_it_where_nothing_is_withheld(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld.WithheldIO, "_taken", lambda *_: [])
    made(world)
    assert found(everything_stored())


def test_the_search_finds_it_where_nothing_is_encrypted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "encrypt", lambda value, recipients: value)
    made(world)
    assert found(everything_stored())


def test_nothing_is_shown_of_a_step_that_did_not_hand_it_over(world: World) -> None:
    _, run = made(world, script=f"{SAID}; echo made $C; exit 3")
    task = run.tasks.get()
    assert (run.state, task.state, task.exit_status) == ("failed", "failed", 3)
    assert "handed over no password" in task.message
    assert "is not shown" in text(run)
    assert not found(everything_stored())


def test_what_failed_after_it_handed_it_over_shows_its_words_and_delivers_nothing(world: World) -> None:
    _, run = made(world, script=f"{MAKE}; echo then it broke; exit 4")
    row = run.results.get()
    assert (run.state, row.state, row.why) == ("failed", "undelivered", "Its step did not succeed.")
    assert "then it broke" in text(run)
    assert Event.objects.filter(run=run.id, kind="result.undelivered").count() == 1
    assert not found(everything_stored())


@pytest.mark.parametrize("value", ["short12", "aaaaaaaaaaaa", ""])
def test_what_no_log_could_be_kept_free_of_is_no_result(world: World, value: str) -> None:
    _, run = made(world, script=f"echo password={value} >> $OPSPORTAL_OUTPUT; echo it is {value}")
    assert (run.state, run.results.count()) == ("failed", 0)
    assert not value or f"it is {value}" not in text(run)


def test_an_exception_of_an_action_shows_no_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from procedures.actions.local import LocalCommand

    def broken(*_: Any) -> Any:
        raise RuntimeError(f"no luck with {CANARY}")

    quinn = asked(world)
    monkeypatch.setattr(LocalCommand, "run", broken)
    run = run_it(world, quinn, "maker")
    assert (run.state, run.tasks.get().facts["defect"]) == ("failed", "RuntimeError")
    assert not found(everything_stored())


def test_who_has_no_key_cannot_ask_and_is_told_what_to_do(world: World) -> None:
    quinn = procedure(world, "maker", maker(), tail=declared(ONCE))
    with pytest.raises(NoKeyForResult, match="Ed25519") as refusal:
        world.ask(quinn, procedure="maker")
    assert "Enrol" in refusal.value.next_step
    assert not Run.objects.exists()


def test_the_plan_names_the_keys_that_will_open_it(world: World) -> None:
    quinn = asked(world)
    plan = parse(bytes(world.ask(quinn, procedure="maker").plan))
    (row,) = plan["steps"][0]["results"]
    assert (row["name"], row["deliver"], row["keep_s"]) == ("password", "once", 86_400)
    (recipient,) = plan["recipients"]["once"]
    assert recipient["who"] == str(quinn.subject)
    assert recipient["key"] == quinn.signing_keys.get().fingerprint


def test_a_key_that_was_ended_meanwhile_makes_the_plan_another(world: World) -> None:
    from procedures.runner.drive import drive

    quinn = asked(world)
    run = world.ask(quinn, procedure="maker")
    world.confirmed("key_end", {"fingerprint": quinn.signing_keys.get().fingerprint, "reason": "lost"})
    drive(run.id)
    run.refresh_from_db()
    assert run.state != "succeeded"
    assert not SecretResult.objects.exists()


def test_a_key_that_only_the_table_knows_is_handed_nothing(world: World) -> None:
    """Whoever writes the tables enrols a key of its own for the requester: the issuer asks the log, no step runs."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from procedures.domain.sshkeys import fingerprint
    from procedures.models import EnrolledKey
    from tests.factories.portal import public_text

    quinn = asked(world)
    EnrolledKey.objects.filter(person=quinn).delete()
    public = public_text(Ed25519PrivateKey.generate())
    EnrolledKey.objects.create(person=quinn, public=public, fingerprint=fingerprint(public), enrolled_at=now())
    run = run_it(world, quinn, "maker")
    assert (run.state, run.tasks.count()) == ("failed", 0)
    assert "is no key of who it is for" in run.message
    assert not SecretResult.objects.exists()


def test_nobody_else_picks_it_up_whatever_they_may_read(world: World) -> None:
    _, run = made(world)
    reader = world.person("reader")
    world.may(reader, "view", "read_output", "audit", procedure=None)
    row = run.results.get()
    with pytest.raises(NotAllowed, match="nobody else"):
        results.fetch_result(actor=reader, run=run.id, result=row.id, at=now())
    row.refresh_from_db()
    assert row.state == "kept"
    assert Event.objects.filter(kind="access.denied").count() == 1


def test_it_is_found_under_its_own_run_alone(world: World) -> None:
    quinn, run = made(world)
    other = run_it(world, quinn, "maker")
    with pytest.raises(NotFound):
        results.fetch_result(actor=quinn, run=other.id, result=run.results.get().id, at=now())


def test_what_nobody_picks_up_is_gone_after_a_day(world: World) -> None:
    quinn, run = made(world)
    row = run.results.get()
    late = now() + timedelta(hours=25)
    with pytest.raises(results.ResultGone, match="expired"):
        results.fetch_result(actor=quinn, run=run.id, result=row.id, at=late)
    assert Erasing().round(at=now())["results"] == 0
    assert Erasing().round(at=late)["results"] == 1
    row.refresh_from_db()
    assert (row.state, row.content, bool(row.content_sha256)) == ("expired", None, True)
    assert Event.objects.filter(kind="result.expired").count() == 1


def test_classified_outputs_are_read_by_those_who_may_and_recorded_each_time(world: World) -> None:
    reader, viewer = world.person("reader", key=True), world.person("viewer", key=True)
    quinn = asked(world, READERS)
    world.may(reader, "view", "read_output", procedure="maker")
    world.may(viewer, "view", procedure="maker")
    run = run_it(world, quinn, "maker")
    row = run.results.get()
    assert (row.classification, row.state, row.expires_at - row.made_at) == ("confidential", "kept", timedelta(days=5))
    for who in (reader, quinn, reader):
        _, file = results.fetch_result(actor=who, run=run.id, result=row.id, at=now())
        assert age.decrypt(file, key_of(world, who)).decode() == CANARY
    with pytest.raises(age.NotForYou):
        age.decrypt(file, key_of(world, viewer))
    with pytest.raises(NotAllowed):
        results.fetch_result(actor=viewer, run=run.id, result=row.id, at=now())
    assert Event.objects.filter(kind="result.read").count() == 3


def test_a_classified_output_is_erased_by_its_requester_or_who_manages_access_and_by_nobody_else(world: World) -> None:
    reader = world.person("reader", key=True)
    quinn = asked(world, READERS)
    world.may(reader, "view", "read_output", procedure="maker")
    run = run_it(world, quinn, "maker")
    row = run.results.get()
    with pytest.raises(NotAllowed):
        results.erase_result(actor=reader, run=run.id, result=row.id, reason="", at=now())
    results.erase_result(actor=world.mira, run=run.id, result=row.id, reason="asked to", at=now())
    row.refresh_from_db()
    assert (row.state, row.content) == ("erased", None)
    with pytest.raises(results.ResultGone, match="was erased"):
        results.fetch_result(actor=reader, run=run.id, result=row.id, at=now())
    assert parse(bytes(Event.objects.get(kind="result.erased").body))["reason"] == "asked to"


def test_what_the_runner_signed_names_the_file_and_its_recipients(world: World) -> None:
    quinn, run = made(world)
    event = Event.objects.get(run=run.id, kind="task.finished")
    (told,) = parse(bytes(event.body))["facts"]["results"]
    row = run.results.get()
    assert (told["sha256"], told["state"]) == (row.content_sha256, "kept")
    assert told["recipients"] == [[str(quinn.subject), quinn.signing_keys.get().fingerprint]]
    assert Event.objects.filter(run=run.id, kind="result.kept").count() == 1


def test_much_output_is_cut_before_it_fills_the_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withheld, "HELD_BYTES", 100)
    _, run = made(world, script=f"head -c 5000 /dev/zero | tr '\\0' x; {MAKE}")
    assert run.state == "succeeded"
    assert "are not shown" in text(run)
    assert len(text(run)) < 400
