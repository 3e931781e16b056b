"""Who could still decide on a version, and who gains from its acceptance (C1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group

from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.models import DutyAssignment, Person, Version
from procedures.queries import gains, pages_reviews
from procedures.services import reviews
from tests.factories.portal import SOON, World
from tests.factories.reviews import hello, sent


def test_who_could_decide_is_named_to_those_concerned_alone(world: World, panel: dict[str, Any]) -> None:
    adam, viewer = Person.objects.get(username="adam"), world.person("viewer")
    DutyAssignment.objects.create(person=adam, duty="security", since_at=now())
    world.may(adam, "review")
    world.may(viewer, "run")
    version = sent(world, hello("moderate"))
    world.review(panel["olga"], version, "operations")
    missing = reviews.still_missing(version)
    found = pages_reviews.asked(panel["sven"], version, missing, now())
    assert [(one.duty, [p.username for p in one.people]) for one in found] == [("security", ["max", "mira", "sven"])]
    told = pages_reviews.asked(viewer, version, missing, now())
    assert [(one.people, one.count) for one in told] == [([], 3)]


def test_nobody_is_named_whose_right_or_duty_has_ended(world: World, panel: dict[str, Any]) -> None:
    version = sent(world, hello())
    DutyAssignment.objects.filter(person=panel["olga"]).update(ended_at=now())
    panel["max"].grants.get().rights.update(ends_at=now())
    assert [p.username for p in pages_reviews.who_could(version, now())["operations"]] == ["mira"]


def gained(version: Version) -> dict[str, tuple[list[str], list[str], str]]:
    """All but Mira, whose first grant is of everything."""
    found = {g.person.username: (g.new, g.kept, g.through) for g in gains.gains(version, now())}
    assert found.pop("mira")[2] == "every procedure"
    return found


def test_a_first_acceptance_is_gained_by_everybody_whom_a_grant_lets_run_it(world: World) -> None:
    quinn, rosa, gone, other = (world.person(name) for name in ("quinn", "rosa", "gone", "other"))
    version = sent(world, hello(places="development, staging"))
    world.may(quinn, "run", procedure="hello", environments=["staging"])
    world.may(other, "view", procedure="hello")
    world.may(gone, "run")
    type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    Group.objects.create(name="team")
    world.propose("membership", {"person": str(rosa.subject), "group": "team", "action": "add"})
    group = Group.objects.get(name="team")
    world.propose(
        "grant",
        {
            "principal": f"group:{group.name}",
            "verbs": ["run"],
            "environments": [],
            "not_before": moment(now()),
            "expires_at": SOON,
            "reason": "work",
        },
    )
    assert gained(version) == {
        "quinn": (["staging"], [], "this procedure"),
        "rosa": (["development", "staging"], [], "group team, every procedure"),
    }
    assert gains.newly(gains.gains(version, now())) == 3


def test_a_new_environment_is_gained_by_those_whose_grant_reaches_it(world: World, panel: dict[str, Any]) -> None:
    quinn, rosa = world.person("quinn"), world.person("rosa")
    world.review(panel["olga"], sent(world, hello()), "operations")
    world.may(quinn, "run", procedure="hello")
    world.may(rosa, "run", procedure="hello", environments=["development"])
    version = sent(world, hello(places="development, staging"))
    assert gained(version) == {
        "quinn": (["staging"], ["development"], "this procedure"),
        "rosa": ([], ["development"], "this procedure"),
    }
    assert [g.person.username for g in gains.gains(version, now())] == ["mira", "quinn", "rosa"], "who gain come first"


def test_limits_and_a_later_beginning_of_a_grant_are_told(world: World) -> None:
    quinn = world.person("quinn")
    version = sent(world, hello())
    constraint: dict[str, Any] = {"type": "object", "properties": {}}
    later = moment(now() + timedelta(days=9))
    more = {"constraint": constraint, "target_filter": "role=web", "not_before": later}
    world.may(quinn, "run", procedure="hello", **more, expires_at=SOON)
    gain = next(g for g in gains.gains(version, now()) if g.person == quinn)
    assert gain.limits == ["parameters limited", "targets role=web"]
    assert gain.from_at is not None
