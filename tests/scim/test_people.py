"""People whom a directory pushes: made, found, renamed, closed at once and for good."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.domain.errors import NotAllowed
from procedures.domain.providers import Said, SignInRefused
from procedures.evidence.models import Event
from procedures.issuer.replay import replay
from procedures.models import ApiToken, Grant, Identity, OpenSession, Person, Run
from procedures.runner.drive import drive
from procedures.services import identities, leavers, tokens
from tests.factories.directories import provider
from tests.factories.portal import World
from tests.scim.conftest import Directory, person_of

pytestmark = pytest.mark.ordinary
MAIL = [{"value": "old@example.com"}, {"value": "ann@example.com", "primary": True, "type": "work"}]


def said_of(kind: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(row.body)) for row in Event.objects.filter(kind=kind).order_by("id")]


def active(value: Any) -> dict[str, Any]:
    return {"op": "Replace", "path": "active", "value": value}


def test_somebody_is_made_read_back_found_and_renamed_and_signs_in_by_the_external_id(corp: Directory) -> None:
    name = {"givenName": "Ann", "familyName": "Lee"}
    ann = corp.user("ann", displayName=None, name=name, emails=MAIL, phoneNumbers=[{"value": "1"}], password="x" * 20)
    row = person_of(ann)
    assert (row.username, row.name, row.email, row.is_active) == ("ann", "Ann Lee", "ann@example.com", True)
    assert not row.has_usable_password(), "what the portal does not keep is not kept"
    assert (ann["name"], ann["active"], "phoneNumbers" in ann, "password" in ann) == (name, True, False, False)
    for text in ('userName eq "ANN"', 'externalId eq "id-ann" and active eq true', 'emails.value sw "ann@"'):
        found = corp("GET", f"/Users?filter={text}&count=1").said
        assert (found["totalResults"], found["Resources"][0]["id"]) == (1, ann["id"]), text
    assert corp("GET", '/Users?filter=userName eq "bob"').said["totalResults"] == 0
    renamed = {"op": "replace", "value": {"userName": "anna", "displayName": "Anna Lee"}}
    assert corp.patch(f"/Users/{ann['id']}", renamed).status_code == 204
    row.refresh_from_db()
    assert (row.username, row.name) == ("anna", "Anna Lee")
    assert identities.arrived(provider="corp", said=Said(subject="id-ann", username="whoever"), at=now()) == row
    changed = said_of("directory.changed")
    assert [(one["action"], one["fields"]) for one in changed] == [
        ("made", []),
        ("changed", ["username", "name", "said"]),
    ]


def test_what_is_said_twice_happens_once(corp: Directory) -> None:
    ann = corp.user("ann")
    before = Event.objects.count()
    read = corp("GET", f"/Users/{ann['id']}")
    assert corp("PUT", f"/Users/{ann['id']}", read.said).said["meta"] == read.said["meta"]
    assert corp.patch(f"/Users/{ann['id']}", active("True")).status_code == 204
    again = corp("POST", "/Users", {"schemas": read.said["schemas"], "userName": "ann2", "externalId": "id-ann"})
    assert (again.status_code, again.said["scimType"]) == (409, "uniqueness")
    assert [row.kind for row in Event.objects.order_by("id")[before:]] == ["identity.refused"]
    assert corp("DELETE", f"/Users/{ann['id']}").status_code == 204
    assert corp("DELETE", f"/Users/{ann['id']}").status_code == 404


def test_a_version_that_was_read_earlier_is_not_written_over(corp: Directory) -> None:
    ann = corp.user("ann")
    tag = ann["meta"]["version"]
    assert corp("GET", f"/Users/{ann['id']}", HTTP_IF_NONE_MATCH=tag).status_code == 304
    assert corp.patch(f"/Users/{ann['id']}", {"op": "add", "path": "displayName", "value": "Anna"}).status_code == 204
    late = corp("PUT", f"/Users/{ann['id']}", {**ann, "displayName": "late"}, HTTP_IF_MATCH=tag)
    assert late.status_code == 412
    assert person_of(ann).name == "Anna"


@pytest.mark.parametrize("way", ["patched", "deleted"])
def test_a_leavers_session_token_grant_and_queued_run_end_at_once(world: World, corp: Directory, way: str) -> None:
    world.accepted()
    ann = corp.user("ann")
    row = person_of(ann)
    world.may(row, "run", "view", procedure="hello")
    _, secret = tokens.make_token(actor=row, name="ci", days=1, at=now())
    page = Client(HTTP_HOST="localhost")
    page.force_login(row, backend="procedures.access.backend.IdentityBackend")
    assert page.get("/").status_code == 200
    run = world.ask(row)
    assert run.state == "queued"
    gone = (
        corp.patch(f"/Users/{ann['id']}", active(False)) if way == "patched" else corp("DELETE", f"/Users/{ann['id']}")
    )
    assert gone.status_code == 204
    assert page.get("/").status_code == 302, "the session is over"
    assert not OpenSession.objects.filter(person=row, ended_at=None).exists()
    assert tokens.bearer(secret, at=now()) is None
    assert not Grant.objects.filter(person=row, revoked_at=None).exists()
    drive(run.pk)
    assert Run.objects.get(pk=run.pk).state == "denied"
    with pytest.raises(SignInRefused):
        identities.arrived(provider="corp", said=Said(subject="id-ann"), at=now())
    (closed,) = said_of("person.closed")
    assert (closed["ended"]["sessions"], closed["ended"]["tokens"], closed["ended"]["grants"]) == (1, 1, 1)
    assert closed["actor"] == str(Person.objects.get(username="system:scim-corp").subject)


def test_somebody_who_comes_back_gets_another_account_which_the_login_opens_and_nothing_of_before(
    world: World, corp: Directory
) -> None:
    ann = corp.user("ann")
    old = person_of(ann)
    world.enrol(old)
    world.may(old, "run")
    corp.patch(f"/Users/{ann['id']}", active(False))
    assert corp.patch(f"/Users/{ann['id']}", active(True)).status_code == 204
    back = corp("GET", f"/Users/{ann['id']}").said
    row = person_of(ann)
    assert (back["userName"], back["active"], row != old) == ("ann", True, True)
    assert identities.arrived(provider="corp", said=Said(subject="id-ann"), at=now()) == row
    assert not Grant.objects.filter(person=row).exists()
    old.refresh_from_db()
    assert (old.is_active, old.username) == (False, f"ann+{str(old.subject)[-12:]}")
    assert set(replay().closed) == {str(old.subject)}, "what is closed is closed for good"
    (told,) = [one for one in said_of("directory.changed") if one["action"] == "came back"]
    assert (told["subject"], told["before"]) == (str(row.subject), str(old.subject))
    corp("DELETE", f"/Users/{ann['id']}")
    again = corp.user("ann.lee", externalId="id-ann")
    assert (again["id"], person_of(again).username, again["active"]) == (ann["id"], "ann.lee", True)
    assert person_of(again) not in {old, row}
    assert Identity.objects.get(provider="corp").person == person_of(again)


def test_the_name_of_whom_the_directory_deleted_is_free_again(corp: Directory) -> None:
    old = corp.user("ann", emails=MAIL)
    gone = person_of(old)
    corp("DELETE", f"/Users/{old['id']}")
    fresh = corp.user("ann", externalId="another", emails=MAIL)
    assert person_of(fresh) != gone
    gone.refresh_from_db()
    assert (gone.username, gone.email, gone.is_active) == (f"ann+{str(gone.subject)[-12:]}", "", False)


def test_an_account_that_an_access_manager_closed_no_directory_opens(world: World, corp: Directory) -> None:
    ann = corp.user("ann")
    leavers.close_person(actor=world.mira, person=person_of(ann).subject, at=now())
    assert corp("GET", f"/Users/{ann['id']}").said["active"] is False
    answer = corp.patch(f"/Users/{ann['id']}", active(True))
    assert (answer.status_code, "access manager" in answer.said["detail"]) == (409, True)
    corp("DELETE", f"/Users/{ann['id']}")
    again = corp("POST", "/Users", {**ann, "userName": "ann", "externalId": "id-ann"})
    assert again.status_code == 409
    assert person_of(ann).is_active is False


def test_whoever_came_by_this_provider_alone_is_taken_over_and_nobody_else(world: World, corp: Directory) -> None:
    world.confirmed("identity_provider", provider(provision=True))
    ann = identities.arrived(provider="corp", said=Said(subject="s-ann", username="ann"), at=now())
    taken = corp.user("ann", externalId="s-ann", displayName="Ann of Corp")
    assert person_of(taken) == ann
    assert person_of(taken).name == "Ann of Corp"
    identities.link(actor=world.mira, provider="corp", said=Said(subject="s-mira"), at=now())
    answer = corp("POST", "/Users", {"schemas": taken["schemas"], "userName": "m", "externalId": "s-mira"})
    assert (answer.status_code, answer.said["scimType"]) == (409, "uniqueness")


def test_the_last_one_who_gives_access_is_not_closed_and_nothing_of_the_request_is_stored(
    world: World, corp: Directory
) -> None:
    ann = corp.user("ann")
    row = person_of(ann)
    world.may(row, "manage_access")
    Person.objects.filter(username__in=["mira", "nora"]).update(is_active=False)
    both = [{"op": "replace", "path": "displayName", "value": "Half"}, active(False)]
    answer = corp.patch(f"/Users/{ann['id']}", *both)
    assert (answer.status_code, "only one who can give access" in answer.said["detail"]) == (409, True)
    row.refresh_from_db()
    assert (row.is_active, row.name) == (True, "Ann"), "everything or nothing"


def test_only_the_portals_own_account_of_a_directory_closes_people(world: World) -> None:
    with pytest.raises(NotAllowed):
        leavers.close_by_directory(directory=world.mira, person=world.person("ann").subject, at=now())
    assert not ApiToken.objects.filter(audience="scim").exists()
