"""A stolen token or session asks for nothing in production (H20): a second factor of the last 15 minutes is needed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from procedures import access
from procedures.access import Caller
from procedures.domain import totp
from procedures.domain.canonical import canon
from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.secrets import Secret
from procedures.domain.statements import BadSignature, StatementMismatch, TooWeak
from procedures.evidence.models import Event
from procedures.models import ApiToken, Environment, OpenSession, Person, Run
from procedures.services import codes, open_sessions, step_up, tokens
from procedures.services.step_up import StepUpNeeded
from tests.factories.portal import PASSWORD, World

pytestmark = pytest.mark.once

PRODUCTION = "staging"  # `hello` runs there, and here the environment is production


@pytest.fixture(autouse=True)
def _nobody_calls() -> Iterator[None]:
    mark = access.caller.set(None)
    yield
    access.caller.reset(mark)


@pytest.fixture
def quinn(world: World) -> Person:
    world.accepted()
    Environment.objects.filter(name=PRODUCTION).update(production=True, approvals={}, min_strength="signed")
    quinn = world.person("quinn", key=True)
    world.may(quinn, "run", "view")
    return quinn


def session_of(person: Person, kind: str) -> OpenSession:
    at = now()
    row = OpenSession.objects.create(
        person=person, kind=kind, began_at=at, seen_at=at, until_at=at + timedelta(hours=8)
    )
    access.caller.set(open_sessions.caller_of(row))
    return row


def proven(world: World, person: Person, session: OpenSession) -> step_up.Proof:
    statement = canon(step_up.statement_for(actor=person, session=session.pk, fresh="n"))
    given = world.signed(person.username, statement)
    return step_up.step_up(actor=person, session=session.pk, fresh="n", given=given, at=now())


def said_of(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(Event.objects.get(kind="run.requested", run=run.pk).body))
    return found


def test_a_session_of_the_command_line_needs_it_in_production_and_nowhere_else(world: World, quinn: Person) -> None:
    row = session_of(quinn, "cli")
    assert world.ask(quinn, environment="development").pk
    with pytest.raises(StepUpNeeded, match="is production") as refused:
        world.ask(quinn, environment=PRODUCTION)
    assert "--step-up" in refused.value.next_step
    assert not Run.objects.filter(environment=PRODUCTION).exists()
    proof = proven(world, quinn, row)
    run = world.ask(quinn, environment=PRODUCTION)
    assert said_of(run)["second_factor"]["strength"] == proof.strength == "signed"
    row.refresh_from_db()
    assert (row.proved, row.proved_at) == ("signed", proof.at)
    assert Event.objects.filter(kind="session.stepped_up", actor=quinn.subject).count() == 1


def test_it_is_over_after_fifteen_minutes(world: World, quinn: Person) -> None:
    row = session_of(quinn, "cli")
    proven(world, quinn, row)
    call = access.calling(quinn)
    assert call is not None
    assert call.proved_at is not None
    access.caller.set(replace(call, proved_at=now() - timedelta(minutes=15)))
    with pytest.raises(StepUpNeeded):
        world.ask(quinn, environment=PRODUCTION)


def test_a_page_needs_it_for_high_risk_and_never_in_development(world: World, quinn: Person) -> None:
    session_of(quinn, "web")
    world.ask(quinn, environment=PRODUCTION)
    rows = {e.name: e for e in Environment.objects.all()}
    for name, needed in (("development", False), (PRODUCTION, True), ("production", True)):
        assert bool(step_up.why_needed(quinn, rows[name], "high")) is needed, name
        assert not step_up.why_needed(quinn, rows[name], "moderate")


def test_a_token_leans_on_its_owner_s_proof_and_a_workload_s_on_none(world: World, quinn: Person) -> None:
    row, _ = tokens.make_token(actor=quinn, name="ci", days=1, at=now())
    row = ApiToken.objects.select_related("person", "made_by").get(pk=row.pk)
    call = tokens.caller_of(row)
    access.caller.set(call)
    with pytest.raises(StepUpNeeded, match="token 'ci'"):
        world.ask(quinn, environment=PRODUCTION)
    session = session_of(quinn, "web")
    proven(world, quinn, session)
    access.caller.set(call)
    run = world.ask(quinn, environment=PRODUCTION)
    assert said_of(run)["second_factor"]["strength"] == "signed"
    OpenSession.objects.filter(pk=session.pk).update(ended_at=now())
    with pytest.raises(StepUpNeeded):
        world.ask(quinn, environment=PRODUCTION)
    access.caller.set(replace(call, workload=True))
    proof = step_up.require(quinn, environment=Environment.objects.get(pk=PRODUCTION), risk="low", at=now())
    assert proof["second_factor"]["strength"] == "workload"


def test_what_proves_is_a_key_of_this_person_over_this_session_now(world: World, quinn: Person) -> None:
    row = session_of(quinn, "cli")
    mine = step_up.statement_for(actor=quinn, session=row.pk, fresh="n")
    tries: list[tuple[Any, type[Exception]]] = [
        (None, TooWeak),
        (world.signed("mira", canon(mine)), BadSignature),
        (world.signed("quinn", canon({**mine, "nonce": "older"})), StatementMismatch),
        (world.signed("quinn", canon({**mine, "session": str(UUID(int=1))})), StatementMismatch),
    ]
    for given, refusal in tries:
        with pytest.raises(refusal):
            step_up.step_up(actor=quinn, session=row.pk, fresh="n", given=given, at=now())
    access.caller.set(Caller(person=quinn.pk))
    with pytest.raises(NotAllowed, match="from within it"):
        proven(world, quinn, row)
    assert OpenSession.objects.get(pk=row.pk).proved == "session"


def code_app(person: Person) -> Secret:
    secret = codes._begin(actor=person, at=now())
    codes.enrol(actor=person, code=code_of(secret, -1), at=now())
    return secret


def code_of(secret: Secret, ahead: int = 0) -> str:
    return totp.code_at(secret, int(time.time()) // totp.STEP_S + ahead)


def signed_in(person: Person) -> APIClient:
    person.set_password(PASSWORD)
    person.save(update_fields=["password"])
    client = APIClient()
    body = {"username": person.username, "password": PASSWORD}
    assert client.post("/api/v1/session/", body, format="json").status_code == 200
    return client


def test_over_rest_a_code_steps_up_a_fresh_session_key_and_a_token_never(quinn: Person) -> None:
    secret, client = code_app(quinn), signed_in(quinn)
    wish = {"procedure": "hello", "environment": PRODUCTION, "parameters": {}, "reason": "r"}
    refused = client.post("/api/v1/runs/", wish, format="json")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:opsportal:problem:access.step-up-needed")
    before = client.cookies["sessionid"].value
    wrong = client.post("/api/v1/session/step-up/", {"signature": {"totp": "000000"}}, format="json")
    assert wrong.status_code == 403
    done = client.post("/api/v1/session/step-up/", {"signature": {"totp": code_of(secret)}}, format="json")
    assert (done.status_code, done.json()["strength"]) == (200, "totp"), done.content
    assert client.cookies["sessionid"].value != before
    assert client.post("/api/v1/runs/", wish, format="json").status_code in {201, 202}
    _, token = tokens.make_token(actor=quinn, name="t", days=1, at=now())
    thief = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    body = {"signature": {"totp": code_of(secret, 1)}}
    assert thief.post("/api/v1/session/step-up/", body, format="json").status_code == 403
