"""H26: what an identity provider may give by its groups alone, what waits for a manager, and what packs say of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.providers import Said
from procedures.issuer.replay import replay
from procedures.models import ControlChange, Membership, Person
from procedures.queries.duties import duties_of
from procedures.services import controls, identities
from procedures.services.unit import SecondPersonRequired
from tests.factories.portal import World

pytestmark = pytest.mark.once

MAP = {"eng": "developers", "sec": "security"}


@pytest.fixture
def trusting(world: World) -> World:
    """A portal that trusts a provider about two groups, one of which fills a duty."""
    world.confirmed("identity_provider", provider())
    world.confirmed("membership", {"person": str(someone(world).subject), "group": "security", "action": "add"})
    world.confirmed("duty", {"principal": "group:security", "duty": "security", "action": "add"})
    return world


def someone(world: World) -> Person:
    return Person.objects.filter(username="sue").first() or world.person("sue")


def provider(**more: Any) -> dict[str, Any]:
    settings = {
        "entity_id": "https://idp.example.com",
        "sso_url": "https://idp.example.com/sso",
        "certificates": ["AA=="],
    }
    object = {
        "name": "corp",
        "title": "Corp",
        "protocol": "saml",
        "settings": settings,
        "groups": MAP,
        "authority": False,
        "provision": True,
        "action": "set",
    }
    return {**object, **more}


def arrive(name: str, *groups: str) -> Person:
    return identities.arrived(provider="corp", said=Said(subject=name, username=name, groups=groups), at=now())


def groups_of(person: Person) -> set[str]:
    return set(Membership.objects.filter(person=person).values_list("group__name", flat=True))


def waiting() -> list[ControlChange]:
    return list(ControlChange.objects.filter(control="membership", state="proposed"))


def test_a_friend_put_into_security_by_the_providers_admin_waits_for_a_manager(trusting: World) -> None:
    friend = arrive("friend", "eng", "sec", "unmapped")
    assert groups_of(friend) == {"developers"}
    assert duties_of(friend) == []
    [change] = waiting()
    assert change.object == {"person": str(friend.subject), "group": "security", "action": "add"}
    arrive("friend", "eng", "sec")
    assert len(waiting()) == 1, "asked once, however often they sign in"
    trusting.may(friend, "manage_access")
    with pytest.raises(SecondPersonRequired):
        controls.confirm(actor=friend, change=change.pk, signature=None, at=now())
    signed = trusting.signed("mira", bytes(change.statement))
    controls.confirm(actor=trusting.mira, change=change.pk, signature=signed, at=now())
    assert duties_of(friend) == ["security"]
    assert str(friend.subject) in replay().members["security"], "signed by a manager, so it stands in the replay too"
    arrive("friend", "eng")
    assert groups_of(friend) == {"developers"}
    assert str(friend.subject) not in replay().members["security"]


def test_what_a_manager_refused_is_not_asked_again_and_what_is_no_longer_said_is_withdrawn(trusting: World) -> None:
    arrive("friend", "sec")
    arrive("friend")
    assert waiting() == []
    friend = arrive("friend", "sec")
    [change] = waiting()
    controls.refuse(actor=trusting.mira, change=change.pk, reason="who is that?", at=now())
    arrive("friend", "sec")
    assert waiting() == []
    assert groups_of(friend) == set()


def test_a_group_that_reaches_production_or_decides_is_never_joined_by_a_providers_word(trusting: World) -> None:
    verbs = {"run": ["production"], "approve": ["development"], "view": ["production"]}
    for verb, environments in verbs.items():
        group = f"{verb}ners"
        trusting.confirmed("membership", {"person": str(someone(trusting).subject), "group": group, "action": "add"})
        grant = {
            "principal": f"group:{group}",
            "verbs": [verb],
            "environments": environments,
            "not_before": moment(now()),
            "expires_at": moment(now() + timedelta(days=1)),
            "reason": "a test",
        }
        trusting.confirmed("grant", grant)
    trusting.confirmed("identity_provider", provider(groups={"all": "runners", "ap": "approveners", "vi": "viewners"}))
    friend = arrive("friend", "all", "ap", "vi")
    assert groups_of(friend) == {"viewners"}
    assert {row.object["group"] for row in waiting()} == {"runners", "approveners"}


def test_a_declared_authority_is_believed_at_once_until_signed_changes_end_that(trusting: World) -> None:
    trusting.confirmed("identity_provider", provider(authority=True))
    friend = arrive("friend", "sec")
    assert duties_of(friend) == ["security"]
    assert str(friend.subject) in replay().members["security"]
    trusting.confirmed("identity_provider", provider(authority=False))
    assert groups_of(friend) == set()
    assert str(friend.subject) not in replay().members["security"]


def test_without_authority_the_word_of_a_provider_counts_outside_production_alone(trusting: World) -> None:
    friend = arrive("friend", "eng")
    authority = replay()
    assert str(friend.subject) in authority.claimants("group:developers", production=False)
    assert str(friend.subject) not in authority.claimants("group:developers", production=True)


def test_what_people_gave_by_hand_no_provider_takes_away(trusting: World) -> None:
    friend = arrive("friend")
    trusting.confirmed("membership", {"person": str(friend.subject), "group": "developers", "action": "add"})
    arrive("friend")
    assert groups_of(friend) == {"developers"}
    trusting.confirmed("identity_provider", provider(action="end"))
    assert groups_of(friend) == {"developers"}
