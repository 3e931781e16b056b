"""A stolen or a careless directory: what its token opens, whom it reaches, and how much it may ask for (H26, H33)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client

from procedures.domain import limits
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed, NotFound
from procedures.domain.pace import Pace
from procedures.domain.providers import Said
from procedures.evidence.models import Event
from procedures.models import ApiToken, DirectoryEntry, Identity, Person
from procedures.scim import door
from procedures.services import identities, tokens
from tests.factories.directories import provider
from tests.factories.portal import PASSWORD, World
from tests.scim.conftest import GROUP, PATCH, USER, Directory, groups_of, person_of

pytestmark = pytest.mark.once


def rename(value: str) -> dict[str, str]:
    return {"op": "replace", "path": "displayName", "value": value}


def test_the_door_opens_for_its_own_tokens_alone_and_they_open_no_other(world: World, corp: Directory) -> None:
    _, own = tokens.make_token(actor=world.mira, name="ci", days=1, at=now())
    for secret in ("", "ops_none", own, corp.secret[:-1] + "?"):
        answer = Directory(secret)("GET", "/Users")
        assert (answer.status_code, answer.said["status"]) == (401, "401"), secret
        assert answer["Content-Type"] == "application/scim+json"
        assert answer["WWW-Authenticate"].startswith("Bearer")
    page = Client(HTTP_HOST="localhost")
    page.force_login(world.mira, backend="procedures.access.backend.PasswordBackend")
    assert page.get("/scim/v2/Users").status_code == 401, "a session is nothing here"
    assert Client(HTTP_AUTHORIZATION=f"Bearer {corp.secret}").get("/api/v1/me/").status_code == 401
    refused = [row for row in Event.objects.filter(kind="access.denied") if b"token.other-audience" in bytes(row.body)]
    assert len(refused) == 2
    with pytest.raises(InvalidInput, match="scim is for directories"):
        tokens.make_token(actor=world.mira, name="x", days=1, at=now(), reach=tokens.Reach(audience="scim"))


def test_only_an_access_manager_who_is_signed_in_makes_such_a_token_and_only_for_a_directory(
    world: World, corp: Directory
) -> None:
    given = {"provider": "corp", "name": "x", "days": 1, "at": now()}
    with pytest.raises(NotAllowed):
        tokens.make_directory_token(actor=world.person("eve"), **given)
    with pytest.raises(NotAllowed, match="bearer"):
        tokens.make_directory_token(actor=world.mira, bearer=True, **given)
    with pytest.raises(InvalidInput):
        tokens.make_directory_token(actor=world.mira, **{**given, "days": 91})
    with pytest.raises(NotFound):
        tokens.make_directory_token(actor=world.mira, **{**given, "provider": "none"})
    world.confirmed("identity_provider", provider("plain", directory=False))
    with pytest.raises(tokens.NoDirectory):
        tokens.make_directory_token(actor=world.mira, **{**given, "provider": "plain"})
    row = ApiToken.objects.get(person__username="system:scim-corp")
    assert corp.secret not in row.token_sha256
    fresh, secret = tokens.rotate_token(actor=world.mira, token=row.pk, overlap_h=0, at=now())
    assert (corp("GET", "/Users").status_code, Directory(secret)("GET", "/Users").status_code) == (401, 200)
    tokens.revoke_token(actor=world.mira, token=fresh.pk, at=now())
    assert Directory(secret)("GET", "/Users").status_code == 401


def test_a_directory_reaches_nobody_but_its_own(
    world: World, corp: Directory, let_in: Callable[..., Directory]
) -> None:
    other = let_in("other")
    ann = other.user("ann")
    mine = corp.user("mine")
    for strange in (ann["id"], str(world.mira.subject), str(world.mira.pk), "mira", "00", "%2e%2e", "x" * 400):
        for method, body in (("GET", None), ("DELETE", None), ("PUT", mine), ("PATCH", {"schemas": [PATCH]})):
            given = {"schemas": [PATCH], "Operations": [rename("x")]} if method == "PATCH" else body
            answer = corp(method, f"/Users/{strange}", given)
            assert answer.status_code == 404, (method, strange)
    assert [one["id"] for one in corp("GET", "/Users").said["Resources"]] == [mine["id"]]
    assert corp("GET", '/Users?filter=userName eq "ann"').said["totalResults"] == 0
    assert Person.objects.get(username="mira").is_active


def test_nobody_is_linked_by_name_or_mail(world: World, corp: Directory, let_in: Callable[..., Directory]) -> None:
    Person.objects.filter(pk=world.mira.pk).update(email="mira@example.com")
    let_in("other").user("zoe", emails=[{"value": "zoe@example.com"}])
    ann = corp.user("ann")
    for name, mail in (
        ("MIRA", "a@b.example"),
        ("m", "Mira@Example.com"),
        ("zoe", "a@b.example"),
        ("z", "zoe@example.com"),
    ):
        said = {"schemas": [USER], "userName": name, "externalId": "e", "emails": [{"value": mail}]}
        answer = corp("POST", "/Users", said)
        assert (answer.status_code, answer.said["scimType"]) == (409, "uniqueness"), name
        wish = {"op": "replace", "value": {"userName": name, "emails": [{"value": mail}]}}
        assert corp.patch(f"/Users/{ann['id']}", wish).status_code == 409
    assert not Identity.objects.filter(person=world.mira).exists()
    assert person_of(ann).username == "ann"
    assert DirectoryEntry.objects.filter(provider="corp").count() == 1
    assert Event.objects.filter(kind="identity.refused").count() == 5, "five a minute, then counted"


def test_a_changed_external_id_gives_nobody_elses_login_to_this_account(world: World, corp: Directory) -> None:
    """A stolen token and an own login at the provider do not open another one's account."""
    ann = corp.user("ann")
    swap = {"op": "replace", "path": "externalId", "value": "id-mallory"}
    assert corp.patch(f"/Users/{ann['id']}", swap).status_code == 204
    with pytest.raises(identities.NotKnownHere):
        identities.arrived(provider="corp", said=Said(subject="id-mallory", username="mallory"), at=now())
    assert identities.arrived(provider="corp", said=Said(subject="id-ann"), at=now()) == person_of(ann)
    bob = corp.user("bob")
    answer = corp.patch(f"/Users/{bob['id']}", {"op": "replace", "path": "externalId", "value": "id-ann"})
    assert (answer.status_code, answer.said["scimType"]) == (409, "uniqueness")


def test_nothing_that_is_said_gives_a_right_a_password_or_another_kind(corp: Directory) -> None:
    more = {"roles": [{"value": "admin"}], "entitlements": [{"value": "*"}], "password": PASSWORD, "userType": "system"}
    ann = corp.user("ann", is_staff=True, is_superuser=True, kind="system", groups=[{"value": "security"}], **more)
    row = person_of(ann)
    assert (row.is_staff, row.is_superuser, row.kind, row.has_usable_password()) == (False, False, "person", False)
    assert groups_of(row) == set()
    assert Client(HTTP_HOST="localhost").post("/login/", {"username": "ann", "password": PASSWORD}).status_code == 401


FILTERS = (
    'userName eq "a" or 1=1',
    "userName eq 'a'",
    "'; DROP TABLE procedures_person; --",
    'userName eq "a") or (1 eq 1',
    'person__password sw "!"',
    "userName eq",
    'userName xx "a"',
    "(" * 400 + "userName pr",
    "not " * 400,
    'userName eq "' + "x" * 3000 + '"',
    'userName[value eq "a"',
)


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_is_data_and_a_bad_one_is_told(corp: Directory, text: str) -> None:
    corp.user("ann")
    answer = corp("GET", f"/Users?{_query(text)}")
    assert (answer.status_code, answer.said["scimType"]) == (400, "invalidFilter"), answer.said


def _query(text: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"filter": text})


def test_quotes_and_patterns_in_a_value_find_what_they_say_and_no_more(corp: Directory) -> None:
    corp.user("ann", displayName='100% "Ann" \\ _\'')
    for value, found in (('100% \\"Ann\\" \\\\ _\'', 1), ("%", 0), ("_____________", 0)):
        answer = corp("GET", f"/Users?{_query(f'displayName eq {chr(34)}{value}{chr(34)}')}")
        assert (answer.status_code, answer.said["totalResults"]) == (200, found), value
    deep = "(" * 300 + 'userName eq "ann"' + ")" * 300
    assert corp("GET", f"/Users?{_query(deep)}").said["totalResults"] == 1


def test_too_much_is_refused_before_it_is_begun(corp: Directory) -> None:
    ann, eng = corp.user("ann"), corp.group("eng")
    path = f"/Groups/{eng['id']}"
    big = corp("POST", "/Users", b'{"userName": "' + b"a" * limits.DIRECTORY_BODY_BYTES + b'"}')
    assert (big.status_code, "MiB" in big.said["detail"]) == (413, True)
    many = corp.patch(path, *[rename(str(n)) for n in range(limits.DIRECTORY_OPERATIONS + 1)])
    assert (many.status_code, "operations" in many.said["detail"]) == (413, True)
    rows = [{"value": f"{n}"} for n in range(limits.DIRECTORY_MEMBERS + 1)]
    crowd = corp.patch(path, {"op": "add", "path": "members", "value": rows})
    assert (crowd.status_code, "people" in crowd.said["detail"]) == (413, True)
    costly = corp.patch(
        path, {"op": "add", "path": "members", "value": rows[:2000]}, *[rename(str(n)) for n in range(50)]
    )
    assert (costly.status_code, "2000" in costly.said["detail"]) == (413, True)
    long = corp.patch(f"/Users/{ann['id']}", {"op": "add", "path": "name", "value": {"givenName": "x" * 9000}})
    assert (long.status_code, long.said["scimType"]) == (400, "invalidValue")
    assert corp("GET", path).said["displayName"] == "eng"


def test_a_token_has_so_many_requests_a_minute(corp: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "pace", Pace(2))
    assert [corp("GET", "/Users").status_code for _ in range(3)] == [200, 200, 429]
    assert corp("GET", "/Users")["Retry-After"] == "60"


BAD = (
    ("POST", "/Users", {"schemas": [USER]}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [USER], "userName": "with space"}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [USER], "userName": "a" * 151}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [USER], "userName": "a\0b"}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [USER], "userName": "a", "externalId": "x" * 256}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [USER], "userName": "a", "emails": [{"value": "no"}]}, 400, "invalidValue"),
    ("POST", "/Users", {"schemas": [GROUP], "userName": "a"}, 400, None),
    ("POST", "/Users", b"{", 400, "invalidSyntax"),
    ("POST", "/Users", b"", 400, "invalidSyntax"),
    ("POST", "/Users", b"[]", 400, None),
    ("POST", "/Users", b"\xff\xfe", 400, "invalidSyntax"),
    ("POST", "/Users", b"[" * 50_000, 400, "invalidSyntax"),
    ("POST", "/Groups", {"schemas": [GROUP], "displayName": " "}, 400, "invalidValue"),
    ("GET", "/Users?startIndex=a", None, 400, None),
    ("GET", "/Users?count=x", None, 400, None),
    ("GET", "/Users?sortBy=none", None, 400, None),
    ("GET", "/Nothing", None, 404, None),
    ("GET", "/Me", None, 501, None),
    ("POST", "/Bulk", {"schemas": []}, 501, None),
    ("POST", "/ServiceProviderConfig", {}, 405, None),
    ("TRACE", "/Users", None, 405, None),
)


@pytest.mark.parametrize(("method", "path", "body", "status", "kind"), BAD)
def test_what_is_wrong_is_told_in_the_protocols_words_and_nothing_is_stored(
    corp: Directory, method: str, path: str, body: object, status: int, kind: str | None
) -> None:
    before = Person.objects.count()
    answer = corp(method, path, body)
    said = json.loads(answer.content)
    assert (answer.status_code, said["status"]) == (status, str(status)), said
    assert answer["Content-Type"] == "application/scim+json"
    assert kind is None or said["scimType"] == kind, said
    assert Person.objects.count() == before


def test_a_path_that_names_nothing_of_a_person_changes_nothing(corp: Directory) -> None:
    ann = corp.user("ann")
    for operation, kind in (
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
        ({"op": "replace", "path": "emails[", "value": "x"}, "invalidPath"),
        ({"op": "boil", "path": "displayName", "value": "x"}, "invalidValue"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, None),
    ):
        answer = corp.patch(f"/Users/{ann['id']}", rename("Half"), operation)
        assert answer.status_code == 400, operation
        assert kind is None or answer.said["scimType"] == kind, answer.said
    assert person_of(ann).name == "Ann"
