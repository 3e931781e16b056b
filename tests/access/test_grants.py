"""A grant is one tuple: hours, labels, limits and terms hold wherever it is asked about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from procedures import access
from procedures.domain import places
from procedures.domain.canonical import moment
from procedures.domain.clock import now
from procedures.domain.errors import InvalidInput, NotAllowed
from procedures.issuer.judgement import _covers
from procedures.issuer.replay import replay
from procedures.models import Grant, GrantRight, Membership, Person, Procedure, ProcedureUserPermission, Run
from procedures.services import controls, grant_rights
from procedures.services.unit import SecondPersonRequired
from tests.factories.portal import World

PLAN: dict[str, Any] = {"parameters": {}, "targets": [], "secrets": {}}


def hours(begins: datetime, ends: datetime) -> dict[str, Any]:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return {"days": days, "from": f"{begins:%H:%M}", "until": f"{ends:%H:%M}", "zone": "UTC"}


def seen(person: Person, verb: str, at: datetime) -> set[str]:
    return set(access.visible(Procedure.objects.all(), person, verb, at=at).values_list("name", flat=True))


def covered(grant: Grant, procedure: str) -> bool:
    authority = replay()
    return authority.reaches(authority.grants[str(grant.pk)], procedure)


def test_outside_its_hours_a_grant_gives_nothing_and_says_when_it_opens(world: World) -> None:
    world.accepted()
    quinn, at = world.person("quinn"), now()
    hour = timedelta(hours=1)
    grant = world.may(
        quinn, "run", procedure="hello", environments=["development"], window=hours(at + hour, at + 2 * hour)
    )
    hello, at = Procedure.objects.get(name="hello"), now()
    later = at + hour + timedelta(minutes=1)
    for when, fine in ((at, False), (later, True)):
        decision = access.decide(quinn, "run", at=when, procedure=hello)
        told = replay().grants[str(grant.pk)]
        run = Run(environment_id="development")
        assert decision.allowed is fine
        assert seen(quinn, "run", when) == ({"hello"} if fine else set())
        assert _covers(told, run, PLAN, when, when) is fine
        assert fine or f"opens next {later:%a}".lower() in decision.reason.lower()
    assert _covers(told, run, PLAN, at + 3 * hour, later), "work that began within the hours is not cut off"
    assert not quinn.has_perm("procedures.run", hello)
    with pytest.raises(NotAllowed, match="it opens next"):
        world.ask(quinn)


def test_a_selector_is_pinned_to_its_day_and_only_one_that_grows_follows_the_labels(world: World) -> None:
    for name in ("hello", "collect-diagnostics"):
        world.accepted(name)
    world.confirmed("labels", {"procedure": "hello", "labels": ["qa-safe", "team-a"]})
    quinn, tina = world.person("quinn"), world.person("tina")
    pinned = world.may(quinn, "run", selector=["qa-safe"])
    grows = world.may(tina, "run", selector=["qa-safe"], grows=True)
    assert seen(quinn, "run", now()) == seen(tina, "run", now()) == {"hello"}
    world.confirmed("labels", {"procedure": "collect-diagnostics", "labels": ["qa-safe"]})
    cache = Procedure.objects.get(name="collect-diagnostics")
    assert seen(quinn, "run", now()) == {"hello"}
    assert seen(tina, "run", now()) == {"hello", "collect-diagnostics"}
    assert ProcedureUserPermission.objects.filter(user=tina, content_object=cache).exists()
    assert [covered(one, "collect-diagnostics") for one in (pinned, grows)] == [False, True]
    world.confirmed("labels", {"procedure": "hello", "labels": ["team-a"]})
    assert seen(quinn, "run", now()) == {"hello"}, "what was pinned stays"
    assert seen(tina, "run", now()) == {"collect-diagnostics"}
    assert not ProcedureUserPermission.objects.filter(user=tina, content_object__name="hello").exists()
    assert [covered(one, "hello") for one in (pinned, grows)] == [True, False]
    with pytest.raises(InvalidInput, match="/object/selector: no procedure carries these labels today"):
        world.may(quinn, "run", selector=["nobody-set-this"])


def test_nobody_signs_labels_that_let_them_in(world: World) -> None:
    """Nora holds a grant that grows; labelling a procedure would hand it to her."""
    world.accepted()
    nora = world.manager()
    world.may(nora, "run", selector=["qa-safe"], grows=True)
    object = {"procedure": "hello", "labels": ["qa-safe"]}
    with pytest.raises(SecondPersonRequired, match="you would gain"):
        world.propose("labels", object, by=nora)
    assert world.propose("labels", object).state == "confirmed"
    assert access.decide(nora, "run", at=now(), procedure=Procedure.objects.get(name="hello")).allowed


def test_tags_that_an_author_writes_open_no_grant(world: World) -> None:
    """H12 from the author's place: the tag is in the file, was reviewed and accepted, and confers nothing."""
    world.accepted("collect-diagnostics")
    world.confirmed("labels", {"procedure": "collect-diagnostics", "labels": ["qa-safe"]})
    quinn, adam = world.person("quinn"), world.person("adam")
    world.may(quinn, "run", selector=["qa-safe"], grows=True)
    world.may(adam, "author")
    from procedures.definitions.archive import read_folder
    from tests.factories.portal import RUNBOOKS

    text = read_folder(RUNBOOKS / "hello")["procedure.yaml"].decode()
    assert "metadata:\n" in text
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("  tags:"))
    text = kept.replace("metadata:\n", "metadata:\n  tags: [qa-safe]\n", 1).replace("name: hello", "name: mine")
    version = world.submit(adam, procedure__yaml=text.encode())
    world.review(world.mira, version, "operations", "security", signed=True)
    version.refresh_from_db()
    assert (version.state, version.procedure.labels) == ("accepted", [])
    assert seen(quinn, "run", now()) == {"collect-diagnostics"}
    with pytest.raises(NotAllowed):
        world.ask(quinn, procedure="mine")


def test_terms_bound_every_new_grant_and_say_which_one_is_too_long(world: World) -> None:
    quinn, at = world.person("quinn"), now()
    cases = [
        (["view"], [], 366, "365 days that any access"),
        (["run"], ["production"], 181, "180 days that running in production"),
        (["run"], [], 181, "180 days that running in production"),
        (["break_glass"], ["staging"], 91, "90 days that break_glass"),
    ]
    for verbs, where, days, told in cases:
        with pytest.raises(InvalidInput, match=f"/object/expires_at: is longer than the {told}"):
            world.may(quinn, *verbs, environments=where, not_before=moment(at), expires_at=ends(at, days))
    world.may(quinn, "run", environments=["staging"], not_before=moment(at), expires_at=ends(at, 365))
    world.confirmed("terms", {"days": 30, "production_run_days": 7, "break_glass_days": 1})
    with pytest.raises(InvalidInput, match="the 30 days"):
        world.may(quinn, "view", not_before=moment(at), expires_at=ends(at, 31))


def ends(at: datetime, days: int) -> str:
    return moment(at + timedelta(days=days))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"constraint": {"properties": {"nmae": {}}}}, "/object/constraint/properties/nmae: is not a parameter"),
    ({"constraint": {"enum": [{}]}}, "/object/constraint/properties: is required"),
    ({"constraint": {"properties": {"name": {"type": "strnig"}}}}, "/object/constraint: is no JSON Schema"),
    ({"constraint": {"properties": {}}, "unconstrained": ["name"]}, "/object/unconstrained/0: is no file"),
    ({"unconstrained": ["name"]}, "/object.*constraint"),
    ({"grows": True}, "/object.*selector"),
    ({"selector": ["x"]}, "/object/selector: a grant names one procedure or labels"),
    ({"selector": ["Not A Label"]}, "/object/selector/0"),
    ({"target_filter": "name=${{ parameters.name }}"}, "/object/target_filter: names a parameter"),
    ({"window": {"days": ["mon"], "from": "9:00", "until": "10:00", "zone": "UTC"}}, "/object/window/from"),
    ({"window": {"days": [], "from": "09:00", "until": "10:00", "zone": "UTC"}}, "/object/window/days"),
    ({"window": {"days": ["mon"], "from": "09:00", "until": "10:00", "zone": "Mars/X"}}, "/object/window/zone"),
]


def test_what_a_grant_may_not_say_is_refused_with_its_place(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    for more, pointer in WRONG:
        with pytest.raises(InvalidInput, match=pointer):
            world.may(quinn, "run", procedure="hello", environments=["development"], **more)
    with pytest.raises(InvalidInput, match="manage_access has dates, and no hours"):
        world.may(quinn, "manage_access", window=hours(now(), now() + timedelta(hours=1)))
    assert not Grant.objects.filter(person=quinn).exists()


def test_a_grant_that_limits_parameters_lets_no_secret_and_no_file_through_unnamed(world: World) -> None:
    world.accepted()
    quinn = world.person("quinn")
    grant = world.may(quinn, "run", procedure="hello", constraint={"properties": {"name": {"enum": ["World"]}}})
    question: dict[str, Any] = {"at": now(), "procedure": Procedure.objects.get(name="hello")}
    limited = {"resolved": {"name": "World"}, **question}
    assert access.decide(quinn, "run", **limited).allowed
    assert "/secrets/key" in access.decide(quinn, "run", secrets=["key"], **limited).reason
    assert "/parameters/file" in access.decide(quinn, "run", **question, resolved={"name": "World", "file": "x"}).reason
    Grant.objects.filter(pk=grant.pk).update(unconstrained=["key", "file"])
    free = {"resolved": {"name": "World", "file": "x"}, "secrets": ["key"]}
    assert access.decide(quinn, "run", **question, **free).allowed
    told, run = replay().grants[str(grant.pk)], Run(environment_id="development")
    assert _covers(told, run, {**PLAN, "parameters": {"name": "World"}}, now(), now())
    assert not _covers(told, run, {**PLAN, "parameters": {"name": "World"}, "secrets": {"key": "mark"}}, now(), now())


def test_software_holds_no_right_that_people_decide_by_even_when_it_stands_in_the_tables(world: World) -> None:
    nora = world.manager()
    robot = world.account(world.mira, by=nora)
    grant = world.may(robot, "run", by=nora)
    row = {"grant": grant, "person": robot, "not_before_at": now(), "ends_at": now() + timedelta(days=1)}
    for verb in ("review", "approve", "manage_access", "break_glass"):
        with pytest.raises(IntegrityError), transaction.atomic():
            GrantRight.objects.create(verb=verb, **row)
    group = Group.objects.create(name="robots")
    Membership.objects.create(person=robot, group=group, since_at=now(), added_by=nora)
    world.may(robot, "approve", "run", principal="group:robots", by=nora)
    world.accepted()
    hello = Procedure.objects.get(name="hello")
    assert "software" in access.decide(robot, "approve", at=now(), procedure=hello).reason
    assert seen(robot, "approve", now()) == set()
    assert not robot.has_perm("procedures.approve", hello)
    assert access.decide(robot, "run", at=now(), procedure=hello).allowed
    assert str(robot.subject) not in places.holders(replay(), "approve", places.EVERYWHERE, at=moment(now()))


def test_nobody_grants_to_their_own_software_or_signs_what_came_to_be_their_gain(world: World) -> None:
    robot = world.account(world.mira, by=world.manager())
    with pytest.raises(SecondPersonRequired, match="you would gain"):
        world.may(robot, "run")
    world.confirmed("profile", {"profile": "separate"})
    nora, quinn = Person.objects.get(username="nora"), world.person("quinn")
    group = Group.objects.create(name="night")
    Membership.objects.create(person=quinn, group=group, since_at=now(), added_by=world.mira)
    object = {"principal": "group:night", "verbs": ["run"], "environments": [], "reason": "nights"}
    change = world.propose("grant", {**object, "not_before": moment(now()), "expires_at": ends(now(), 9)})
    Membership.objects.create(person=world.mira, group=group, since_at=now(), added_by=nora)
    with pytest.raises(SecondPersonRequired, match="mira signed this and would gain from it by now"):
        controls.confirm(
            actor=nora, change=change.id, signature=world.signed("nora", bytes(change.statement)), at=now()
        )


def test_guardians_rows_of_what_ran_out_are_taken_away(world: World) -> None:
    world.accepted()
    quinn, at = world.person("quinn"), now()
    soon = moment(at + timedelta(minutes=5))
    world.may(quinn, "run", procedure="hello", environments=["staging"], expires_at=soon)
    world.may(quinn, "run", procedure="hello", environments=["development"])
    world.may(quinn, "view", procedure="hello", expires_at=soon)
    rows = ProcedureUserPermission.objects.filter(user=quinn)
    assert rows.count() == 2
    assert grant_rights.sweep(at=at + timedelta(minutes=4)) == 0
    assert grant_rights.sweep(at=at + timedelta(minutes=6)) == 1
    assert [row.permission.codename for row in rows.all()] == ["run"], "another grant still stands behind it"
