"""Groups that a directory pushes: the signed map says what they give, and what weighs waits for a manager (H26)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from procedures.domain.clock import now
from procedures.domain.providers import Said
from procedures.evidence.queries import facts_of_kinds
from procedures.issuer.replay import replay
from procedures.models import ApiToken, ControlChange, DirectoryGroup, Membership, Person
from procedures.queries import spaces
from procedures.services import controls, identities
from tests.factories.directories import provider
from tests.factories.portal import World
from tests.scim.conftest import Directory, groups_of, person_of
from tests.services.test_spaces import of

pytestmark = pytest.mark.ordinary


@pytest.fixture
def weighty(world: World) -> World:
    """A portal whose group `security` fills a duty."""
    world.confirmed("membership", {"person": str(world.person("sue").subject), "group": "security", "action": "add"})
    world.confirmed("duty", {"principal": "group:security", "duty": "security", "action": "add"})
    return world


def waiting() -> list[ControlChange]:
    return list(ControlChange.objects.filter(control="membership", state="proposed"))


def member(*people: dict[str, str]) -> list[dict[str, str]]:
    return [{"value": one["id"]} for one in people]


def test_members_come_and_go_in_every_way_that_providers_say_it(corp: Directory) -> None:
    ann, bob, cid = (corp.user(name) for name in ("ann", "bob", "cid"))
    eng = corp.group("eng", ann)
    path = f"/Groups/{eng['id']}"
    assert groups_of(person_of(ann)) == {"developers"}
    assert corp("GET", f"/Users/{ann['id']}").said["groups"][0]["display"] == "eng"
    corp.patch(path, {"op": "Add", "path": "members", "value": member(bob, cid, bob)})
    assert [groups_of(person_of(one)) for one in (bob, cid)] == [{"developers"}] * 2
    corp.patch(path, {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
    corp.patch(path, {"op": "Remove", "path": "members", "value": member(bob)})
    assert [groups_of(person_of(one)) for one in (ann, bob, cid)] == [set(), set(), {"developers"}]
    corp("PUT", path, {"schemas": eng["schemas"], "displayName": "eng", "members": member(ann)})
    assert [groups_of(person_of(one)) for one in (ann, cid)] == [{"developers"}, set()]
    assert "members" not in corp("GET", f"{path}?excludedAttributes=members").said
    corp.patch(path, {"op": "replace", "path": "displayName", "value": "renamed"})
    assert groups_of(person_of(ann)) == set(), "its name is not in the map any more"
    corp.patch(path, {"op": "replace", "path": "displayName", "value": "eng"})
    assert groups_of(person_of(ann)) == {"developers"}
    assert corp("DELETE", path).status_code == 204
    assert groups_of(person_of(ann)) == set()
    assert not DirectoryGroup.objects.exists()


def test_a_group_that_decides_waits_for_a_manager_and_what_is_no_longer_said_is_withdrawn(
    weighty: World, corp: Directory
) -> None:
    friend = corp.user("friend")
    sec = corp.group("sec", friend)
    row = person_of(friend)
    assert groups_of(row) == set()
    [change] = waiting()
    assert change.object == {"person": str(row.subject), "group": "security", "action": "add"}
    corp.patch(f"/Groups/{sec['id']}", {"op": "remove", "path": "members"})
    assert waiting() == []
    corp.patch(f"/Groups/{sec['id']}", {"op": "add", "path": "members", "value": member(friend)})
    [change] = waiting()
    signed = weighty.signed("mira", bytes(change.statement))
    controls.confirm(actor=weighty.mira, change=change.pk, signature=signed, at=now())
    assert groups_of(row) == {"security"}
    assert str(row.subject) in replay().members["security"]
    corp.patch(f"/Groups/{sec['id']}", {"op": "remove", "path": "members"})
    assert groups_of(row) == set()
    assert str(row.subject) not in replay().members["security"]


def test_a_group_that_leads_a_space_weighs_though_it_was_granted_nothing(world: World, corp: Directory) -> None:
    world.accepted()
    world.confirmed("membership", {"person": str(world.person("sue").subject), "group": "security", "action": "add"})
    world.confirmed("space", of("group:security"))
    friend = corp.user("friend")
    corp.group("sec", friend)
    assert (groups_of(person_of(friend)), spaces.led_by(person_of(friend))) == (set(), [])
    assert [change.object["person"] for change in waiting()] == [str(person_of(friend).subject)]


def test_what_a_directory_changes_names_the_token_that_it_came_with(corp: Directory) -> None:
    ann = corp.user("ann")
    eng = corp.group("eng", ann)
    corp.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
    corp("DELETE", f"/Groups/{eng['id']}")
    facts = facts_of_kinds("directory.changed", "directory.grouped", "person.closed")
    assert {fact.kind for fact in facts} == {"directory.changed", "directory.grouped", "person.closed"}
    assert {fact.facts.get("token") for fact in facts} == {str(ApiToken.objects.get(audience="scim").pk)}


def test_a_group_renamed_to_one_that_weighs_gives_nothing_by_that(weighty: World, corp: Directory) -> None:
    friend = corp.user("friend")
    tea = corp.group("tea", friend)
    corp.patch(f"/Groups/{tea['id']}", {"op": "replace", "path": "displayName", "value": "sec"})
    assert groups_of(person_of(friend)) == set()
    assert len(waiting()) == 1


def test_a_closed_account_is_in_no_group_and_comes_back_to_what_weighs_only_by_a_manager(
    weighty: World, corp: Directory
) -> None:
    ann = corp.user("ann")
    corp.group("eng", ann)
    corp.group("sec", ann)
    row = person_of(ann)
    corp.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": False})
    assert (groups_of(row), waiting()) == (set(), [])
    corp.patch(f"/Users/{ann['id']}", {"op": "replace", "path": "active", "value": True})
    assert groups_of(person_of(ann)) == {"developers"}
    assert [change.object["group"] for change in waiting()] == ["security"]


def test_a_sign_in_takes_nothing_away_that_the_directory_says_and_the_other_way_round(
    world: World, corp: Directory
) -> None:
    ann = corp.user("ann")
    eng = corp.group("eng", ann)
    row = person_of(ann)
    identities.arrived(provider="corp", said=Said(subject="id-ann", groups=()), at=now())
    assert groups_of(row) == {"developers"}, "a sign-in without groups"
    bob = corp.user("bob")
    identities.arrived(provider="corp", said=Said(subject="id-bob", groups=("eng",)), at=now())
    corp.patch(f"/Groups/{eng['id']}", {"op": "add", "path": "members", "value": member(bob)})
    identities.arrived(provider="corp", said=Said(subject="id-bob", groups=()), at=now())
    assert groups_of(person_of(bob)) == {"developers"}, "said by both: the directory's word stays"
    world.confirmed("membership", {"person": str(world.person("sue").subject), "group": "tea", "action": "add"})
    world.confirmed("membership", {"person": str(row.subject), "group": "tea", "action": "add"})
    corp.patch(f"/Groups/{eng['id']}", {"op": "remove", "path": "members"})
    assert groups_of(row) == {"tea"}, "what people gave by hand no directory takes away"


def test_a_changed_map_takes_effect_at_once_and_an_ended_provider_gives_nothing(
    world: World, let_in: Callable[..., Directory]
) -> None:
    corp = let_in()
    ann = corp.user("ann")
    corp.group("eng", ann)
    world.confirmed("identity_provider", provider(groups={"eng": "builders"}))
    assert groups_of(person_of(ann)) == {"builders"}
    world.confirmed("identity_provider", provider(directory=False))
    assert groups_of(person_of(ann)) == set()
    assert corp("GET", "/Users").status_code == 401, "its tokens are over"
    world.confirmed("identity_provider", provider(directory=True))
    assert corp("GET", "/Users").status_code == 401
    assert groups_of(person_of(ann)) == {"developers"}


def test_an_authority_is_believed_at_once_also_by_the_replay(weighty: World, let_in: Callable[..., Directory]) -> None:
    corp = let_in(authority=True)
    ann = corp.user("ann")
    corp.group("sec", ann)
    assert groups_of(person_of(ann)) == {"security"}
    assert str(person_of(ann).subject) in replay().members["security"]
    assert Membership.objects.get(person=person_of(ann)).added_by == Person.objects.get(username="system:scim-corp")


def test_members_whom_the_directory_does_not_own_are_refused_and_nothing_is_stored(
    world: World, corp: Directory, let_in: Callable[..., Directory]
) -> None:
    other = let_in("other")
    strange, ann = other.user("strange"), corp.user("ann")
    eng = corp.group("eng")
    for value in (strange["id"], str(world.mira.subject), eng["id"], "mira", "../Users", "' OR 1=1 --"):
        rows = [*member(ann), {"value": value}]
        answer = corp.patch(f"/Groups/{eng['id']}", {"op": "add", "path": "members", "value": rows})
        assert (answer.status_code, answer.said["scimType"]) == (400, "invalidValue"), value
    assert groups_of(person_of(ann)) == set()
    again = corp("POST", "/Groups", {"schemas": eng["schemas"], "displayName": "ENG"})
    assert (again.status_code, again.said["scimType"]) == (409, "uniqueness")
