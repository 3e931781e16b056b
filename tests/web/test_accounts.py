"""Signing in, closing accounts, revoking keys: what each door does, and what the log says of it."""

from __future__ import annotations

import json

from django.test import Client

from procedures.domain.sshkeys import fingerprint
from procedures.evidence.models import Event
from procedures.issuer.replay import replay
from procedures.models import ControlChange, EnrolledKey, Person
from procedures.services.sessions import TRIES
from tests.web.town import PASSWORD, Town


def sign_in(username: str, password: str, address: str = "192.0.2.7") -> int:
    client = Client(HTTP_HOST="localhost", REMOTE_ADDR=address)
    return client.post("/login/", {"username": username, "password": password}).status_code


def test_signing_in_is_an_event_at_both_doors(town: Town) -> None:
    assert sign_in("mira", PASSWORD) == 302
    body = json.dumps({"username": "mira", "password": PASSWORD})
    answer = Client(HTTP_HOST="localhost").post("/api/v1/session/", body, content_type="application/json")
    assert answer.status_code == 200
    doors = [json.loads(bytes(row.body))["door"] for row in Event.objects.filter(kind="session.opened").order_by("id")]
    assert doors == ["web", "api"]


def test_guessing_is_slowed_for_the_address_that_guesses_and_for_no_other(town: Town) -> None:
    codes = [sign_in("mira", f"guess {number}") for number in range(TRIES + 2)]
    assert codes == [401] * TRIES + [429] * 2
    assert sign_in("mira", PASSWORD) == 429
    assert sign_in("mira", PASSWORD, address="192.0.2.8") == 302
    refusals = Event.objects.filter(kind="session.refused")
    assert 5 <= refusals.count() <= 10, "one event each up to five a minute, then a count"
    assert b"guess" not in b"".join(bytes(row.body) for row in refusals)


def test_a_name_that_is_not_there_answers_like_a_wrong_password_and_leaves_no_event(town: Town) -> None:
    assert sign_in("nobody-of-that-name", "x") == 401
    assert not Event.objects.filter(kind="session.refused").exists()


def test_a_closed_account_is_out_at_once(town: Town) -> None:
    person = town.people["stranger"]
    inside = town.client("stranger")
    assert inside.get("/").status_code == 200
    assert town.client("mira").post("/people/close/", {"person": person.subject}).status_code == 403
    assert town.client("jonas").post("/people/close/", {"person": person.subject}).status_code == 302
    assert inside.get("/").status_code == 302
    assert Event.objects.filter(kind="person.closed").count() == 1
    assert town.client("jonas").post("/people/close/", {"person": "nonsense"}).status_code == 404


def test_a_revoked_key_signs_nothing_more_for_tables_and_replay(town: Town) -> None:
    key = EnrolledKey.objects.get(person=town.people["mira"])
    assert fingerprint(key.public) in replay().keys
    town.change("jonas", "key_end", {"fingerprint": key.fingerprint, "reason": "a lost laptop"})
    assert ControlChange.objects.get(control="key_end").state == ControlChange.State.CONFIRMED
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert key.fingerprint not in replay().keys
    page = town.client("jonas").get("/people/").content.decode()
    assert key.fingerprint not in page
    assert Person.objects.filter(pk=key.person_id, is_active=True).exists()
