"""Tokens (H20): of a form that scanners know, narrower than their owner, changed with an overlap, dead at their end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from procedures import access
from procedures.domain import tokens as form
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.evidence.models import Event
from procedures.models import ApiToken, Environment, GrantRight, Person, Procedure
from procedures.services import runs, tokens
from procedures.services.tokens import Reach, TokenOver
from tests.factories.portal import World


@pytest.fixture
def quinn(world: World) -> Person:
    world.accepted()
    quinn = world.person("quinn")
    world.may(quinn, "run", "view", "cancel")
    return quinn


def token_of(person: Person, **reach: Any) -> tuple[ApiToken, APIClient]:
    row, secret = tokens.make_token(actor=person, name="ci", days=1, at=now(), reach=Reach(**reach))
    return row, APIClient(HTTP_AUTHORIZATION=f"Bearer {secret}")


def asked(client: APIClient, environment: str = "staging", procedure: str = "hello") -> Any:
    wish = {"procedure": procedure, "environment": environment, "parameters": {}, "reason": "r"}
    return client.post("/api/v1/runs/", wish, format="json")


@pytest.mark.once
def test_a_token_has_a_form_that_scanners_can_tell_from_a_look_alike() -> None:
    made = [form.new_token() for _ in range(200)]
    assert len(set(made)) == 200
    assert all(re.fullmatch(form.PATTERN, one) and form.is_whole(one) for one in made)
    one = made[0]
    other = "A" if one[10] != "A" else "B"
    assert not form.is_whole(one[:10] + other + one[11:])
    assert not form.is_whole("ops_" + "A" * 46)


def test_a_token_for_staging_is_refused_production_by_its_name(quinn: Person) -> None:
    _, client = token_of(quinn, environments=["staging", "development"], verbs=["run"])
    refused = asked(client, "production")
    assert refused.status_code == 403
    assert "The token 'ci' is for development, staging, and not for production." in refused.json()["detail"]
    assert Event.objects.filter(kind="access.denied", actor=quinn.subject).exists()
    assert asked(client, "development").status_code in {201, 202}


def test_a_token_tells_no_hidden_procedure_from_one_that_is_not_there(world: World, quinn: Person) -> None:
    world.shipped()
    _, client = token_of(quinn, procedures=["hello"])
    Procedure.objects.exclude(name="hello").update(hidden=True)
    hidden = Procedure.objects.exclude(name="hello").values_list("name", flat=True)[0]
    said = [asked(client, procedure=name).json()["detail"].replace(name, "NAME") for name in (hidden, "nothing")]
    assert said[0] == said[1]


def test_what_a_token_is_for_narrows_even_its_owners_own_runs(world: World, quinn: Person) -> None:
    world.shipped()
    run = world.ask(quinn)
    _, other = token_of(quinn, procedures=["disk-cleanup"])
    path = f"/api/v1/runs/{run.pk}/"
    assert other.get(path).status_code == 404
    assert other.get("/api/v1/runs/").json()["results"] == []
    assert other.post(f"{path}cancel/", {}, format="json").status_code == 404
    _, blind = token_of(quinn, verbs=["run"])
    assert blind.get(path).status_code == 403
    assert blind.get(f"{path}log/").status_code == 403
    _, fitting = token_of(quinn, procedures=["hello"], verbs=["view", "cancel"])
    assert fitting.get(path).status_code == 200
    assert asked(fitting).status_code == 403
    assert fitting.post(f"{path}cancel/", {}, format="json").status_code == 200


def test_decision_list_and_rights_agree_that_a_token_never_widens(world: World, quinn: Person) -> None:
    """Every verb, procedure and environment: a token allows at most what is allowed without, the list agrees."""
    row, _ = token_of(quinn, procedures=["hello"], environments=["staging"], verbs=["run", "view"])
    row = ApiToken.objects.select_related("person", "made_by").get(pk=row.pk)
    at = now()
    for person in (quinn, world.mira):
        for verb in ("run", "view", "cancel", "author", "approve", "manage_access", "audit", "operate"):
            for procedure in Procedure.objects.all():
                for environment in Environment.objects.all():
                    where: dict[str, Any] = {"at": at, "procedure": procedure, "environment": environment}
                    bare = access.decide(person, verb, **where).allowed
                    mark = access.caller.set(tokens.caller_of(row))
                    narrow = access.decide(person, verb, **where).allowed
                    one = Procedure.objects.filter(pk=procedure.pk)
                    listed = access.visible(one, person, verb, at=at, environment=environment.name).exists()
                    access.caller.reset(mark)
                    assert narrow <= bare
                    assert listed == narrow
                    inside = procedure.name == "hello" and environment.name == "staging" and verb in {"run", "view"}
                    assert narrow == (bare and (inside or person != quinn)), (person, verb, where)


def test_a_token_names_only_what_its_owner_may_know_of(world: World, quinn: Person) -> None:
    Procedure.objects.filter(name="disk-cleanup").update(hidden=True)
    GrantRight.objects.filter(person=quinn).update(procedure=Procedure.objects.get(name="hello"))
    wrong = {"procedures": ["disk-cleanup"], "environments": ["mars"], "verbs": ["approve"]}
    with pytest.raises(InvalidInput) as refused:
        tokens.make_token(actor=quinn, name="", days=91, at=now(), reach=Reach(**wrong))
    pointers = [pointer for pointer, _ in refused.value.problems]
    assert pointers == ["/days", "/name", "/procedures/0", "/environments/0", "/verbs/0"]
    assert not ApiToken.objects.exists()


def test_a_changed_token_stays_good_for_the_overlap_and_is_dead_after_it(quinn: Person) -> None:
    at = now()
    old, secret = tokens.make_token(actor=quinn, name="ci", days=30, at=at, reach=Reach(verbs=["run"]))
    with pytest.raises(InvalidInput, match="24"):
        tokens.rotate_token(actor=quinn, token=old.pk, overlap_h=25, at=at)
    fresh, new_secret = tokens.rotate_token(actor=quinn, token=old.pk, overlap_h=2, at=at + timedelta(hours=1))
    assert (fresh.verbs, fresh.expires_at - fresh.created_at) == (["run"], timedelta(days=30))
    for hours, alive in ((2, True), (4, False)):
        assert (tokens.bearer(secret, at=at + timedelta(hours=hours)) is not None) is alive
        assert tokens.bearer(new_secret, at=at + timedelta(hours=hours)) is not None
    with pytest.raises(TokenOver):
        tokens.rotate_token(actor=quinn, token=old.pk, overlap_h=2, at=at + timedelta(hours=2))
    tokens.rotate_token(actor=quinn, token=fresh.pk, overlap_h=0, at=at + timedelta(hours=3))
    assert tokens.bearer(new_secret, at=at + timedelta(hours=3)) is None
    assert Event.objects.filter(kind="token.rotated").count() == 2


def test_a_strangers_token_is_not_there_and_a_manager_may_end_it(world: World, quinn: Person) -> None:
    row, client = token_of(quinn)
    sam = world.person("sam")
    with pytest.raises(NotFound):
        tokens.revoke_token(actor=sam, token=row.pk, at=now())
    with pytest.raises(NotFound):
        tokens.rotate_token(actor=world.mira, token=row.pk, overlap_h=1, at=now())
    tokens.revoke_token(actor=world.mira, token=row.pk, at=now())
    assert client.get("/api/v1/me/").status_code == 401


def test_use_is_noted_coarsely(quinn: Person) -> None:
    at = now()
    row, secret = tokens.make_token(actor=quinn, name="ci", days=1, at=at)
    for seconds, noted in ((0, at), (60, at), (301, at + timedelta(seconds=301))):
        tokens.bearer(secret, at=at + timedelta(seconds=seconds))
        row.refresh_from_db()
        assert row.last_used_at == noted


def test_whoever_made_the_token_stands_behind_what_it_asks_for(world: World, quinn: Person) -> None:
    _, client = token_of(quinn, verbs=["run"])
    run = asked(client, "development").json()["id"]
    event = Event.objects.get(kind="run.requested", run=run)
    said = bytes(event.body).decode()
    assert f'{{"by":"{quinn.subject}","role":"token_maker"}}' in said
    assert '"token":"' in said


def test_a_service_without_a_caller_is_not_narrowed_and_the_next_request_forgets_the_last(quinn: Person) -> None:
    _, client = token_of(quinn, verbs=["view"])
    assert asked(client).status_code == 403
    assert access.caller.get() is None
    runs.request_run(actor=quinn, wish=runs.Wish(procedure="hello", environment="development", reason="r"), at=now())
    with pytest.raises(NotAllowed):
        tokens.make_token(actor=quinn, name="x", days=1, at=now(), bearer=True)
