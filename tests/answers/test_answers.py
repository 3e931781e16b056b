"""Who could do what and when, answered from the log; where tables were changed behind its back; who decided alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission

from procedures.answers.asked import moment_of
from procedures.answers.drift import drift
from procedures.answers.separation import separation_report
from procedures.answers.who import what_can, who_can
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput
from procedures.evidence.record import record
from procedures.models import (
    EnrolledKey,
    Environment,
    Grant,
    GrantRight,
    Membership,
    Person,
    PortalSetting,
    Procedure,
    ProcedureUserPermission,
    Target,
)
from procedures.services import leavers
from tests.factories.portal import World

pytestmark = pytest.mark.once


@pytest.fixture
def quinn(world: World) -> Person:
    world.accepted()
    person = world.person("quinn")
    world.may(person, "run", "view", procedure="hello", environments=["staging"])
    return person


def names(verb: str = "run", procedure: str = "hello", environment: str = "staging", **more: object) -> list[str]:
    at = more.get("at", now())
    return [one.person for one in who_can(verb, procedure=procedure, environment=environment, at=at)]  # type: ignore[arg-type]


def test_a_right_is_answered_for_the_place_it_holds_in_and_no_other(quinn: Person) -> None:
    assert "quinn" in names()
    assert "quinn" not in names(environment="production")
    assert "quinn" not in names(procedure="disk-cleanup")
    assert "quinn" not in names(verb="approve")
    held = what_can(str(quinn.subject), at=now())
    assert [(one.procedure, one.verbs, one.environments, one.stands) for one in held] == [
        ("hello", ("run", "view"), ("staging",), True)
    ]
    assert held[0].given_by == "mira"


def test_a_right_that_was_ended_is_still_answered_for_the_days_it_held(world: World, quinn: Person) -> None:
    before = now()
    grant = Grant.objects.get(person=quinn)
    world.propose("grant_end", {"grant": str(grant.pk), "reason": "moved on"})
    assert "quinn" not in names()
    assert "quinn" in names(at=before)
    assert "quinn" not in names(at=before - timedelta(days=1))
    assert "quinn" not in names(at=before + timedelta(days=400))


def test_a_group_reaches_its_members_of_that_day_and_nobody_who_left(world: World, quinn: Person) -> None:
    world.confirmed("membership", {"person": str(quinn.subject), "group": "ops", "action": "add"})
    grant = {"principal": "group:ops", "verbs": ["cancel"], "environments": [], "procedure": "hello"}
    world.propose("grant", {**grant, **_dates(), "reason": "stops things"})
    found = who_can("cancel", procedure="hello", environment=None, at=now())
    assert [(one.person, one.through) for one in found if one.person == "quinn"] == [("quinn", "group:ops")]
    then = now()
    assert drift(then) == []
    leavers.close_person(actor=world.mira, person=quinn.subject, at=now())
    assert "quinn" not in names(verb="cancel")
    assert "quinn" in names(verb="cancel", at=then)
    assert drift(now()) == []


def _dates() -> dict[str, str]:
    return {"not_before": moment(now()), "expires_at": moment(now() + timedelta(days=1))}


def test_a_grant_that_only_the_platform_asserts_is_told_as_that(world: World, quinn: Person) -> None:
    """Somebody with the database writes a grant and its event: nobody signed it."""
    made = {"principal": f"person:{quinn.subject}", "verbs": ["run"], "environments": ["production"], "reason": "x"}
    facts = {
        "control": "grant",
        "change": "019aaaaa-0000-7000-8000-000000000001",
        "object": {**made, **_dates()},
        "gains": [],
        "production": True,
        "profile": "team",
    }
    record("control.confirmed", actor=world.mira.subject, at=now(), facts=facts)
    found = [one for one in who_can("run", procedure="hello", environment="production", at=now()) if not one.stands]
    assert [one.person for one in found] == ["quinn"]
    assert "signature" in found[0].why
    assert [one.kind for one in drift(now())] == ["grant", "asserted"]


def _grant(world: World) -> None:
    Grant.objects.filter(person__username="quinn").update(environments=["staging", "production"])


def _right(world: World) -> None:
    right = GrantRight.objects.filter(person__username="quinn").first()
    assert right is not None
    right.pk, right.environment = None, Environment.objects.get(pk="production")
    right.save(force_insert=True)


def _member(world: World) -> None:
    Membership.objects.create(
        person=Person.objects.get(username="quinn"),
        group=Group.objects.create(name="root"),
        since_at=now(),
        added_by=world.mira,
    )


def _rules(world: World) -> None:
    Environment.objects.filter(pk="production").update(approvals={})


def _key(world: World) -> None:
    EnrolledKey.objects.create(person=world.mira, public="ssh-ed25519 A", fingerprint="SHA256:x", enrolled_at=now())


def _target(world: World) -> None:
    fields = {"name": "db", "address": "10.0.0.9", "host_key": "ssh-ed25519 A", "host_key_sha256": "SHA256:y"}
    Target.objects.create(environment_id="production", since_at=now(), **fields)


def _staff(world: World) -> None:
    Person.objects.filter(username="quinn").update(is_staff=True)


def _profile(world: World) -> None:
    PortalSetting.objects.filter(pk="profile").update(value="pair")


def _row(world: World) -> None:
    permission = Permission.objects.get(content_type__app_label="procedures", codename="approve")
    ProcedureUserPermission.objects.create(
        permission=permission,
        user=Person.objects.get(username="quinn"),
        content_object=Procedure.objects.get(name="hello"),
    )


def _labels(world: World) -> None:
    Procedure.objects.filter(name="hello").update(labels=["qa-safe"])


BEHIND = {
    "labels": _labels,
    "grant": _grant,
    "right": _right,
    "membership": _member,
    "environment": _rules,
    "key": _key,
    "target": _target,
    "person": _staff,
    "profile": _profile,
    "projection": _row,
}


@pytest.mark.parametrize("kind", BEHIND)
def test_a_table_changed_behind_the_evidence_is_told(world: World, quinn: Person, kind: str) -> None:
    change: Callable[[World], None] = BEHIND[kind]
    assert drift(now()) == []
    change(world)
    assert [one.kind for one in drift(now())] == [kind]


def test_the_first_manager_stands_out_until_a_second_one_gives_that_right(world: World) -> None:
    told = [one for one in separation_report(now()) if one.kind == "exception"]
    assert [(one.who, "installation" in one.what) for one in told] == [("mira", True)]
    nora = world.person("nora", key=True)
    world.may(nora, "manage_access")
    world_of_nora = World(nora, world.keys)
    world_of_nora.may(world.mira, "manage_access")
    assert [one for one in separation_report(now()) if one.kind == "exception"] == []


def test_a_review_of_own_work_written_behind_the_services_is_a_violation(world: World, quinn: Person) -> None:
    assert [one for one in separation_report(now()) if one.kind == "violation"] == []
    author = world.person("olga")
    world.may(author, "author")
    version = world.submit(author, name="disk-cleanup", README__md=b"# Mine\n")
    facts = {"version": str(version.pk), "digest": version.digest, "verdict": "accept", "duties": ["security"]}
    record("review.made", actor=author.subject, at=now(), facts={**facts, "strength": "session"})
    found = [one for one in separation_report(now()) if one.kind == "violation"]
    assert [(one.who, "wrote" in one.what) for one in found] == [("olga", True)]
    assert separation_report(now(), since=now() + timedelta(seconds=1))[0].kind != "violation"


def test_a_date_means_its_last_moment_and_a_time_needs_a_zone() -> None:
    at = now()
    assert moment_of("2026-01-31", at, pointer="/as_of").isoformat() == "2026-01-31T23:59:59.999999+00:00"
    assert moment_of("", at, pointer="/as_of") == at
    assert moment_of("2999-01-01", at, pointer="/as_of") == at
    for wrong in ("yesterday", "2026-13-01", "2026-01-31T10:00:00"):
        with pytest.raises(InvalidInput, match=r"zone|no date"):
            moment_of(wrong, at, pointer="/as_of")
