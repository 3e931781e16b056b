"""What a person may do and see, at the size of a large house, on PostgreSQL: our joined queries beside guardian's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

from tests.benchmarks.measure import Pair

VERBS = ("run", "view")
SIZES = {True: (200, 2_000, 40, 10, 5_000), False: (10_000, 100_000, 2_000, 200, 1_000_000)}
PAGE = 50


@contextmanager
def rights(small: bool) -> Iterator[list[Pair]]:
    """Deciding, the catalogue's first page and the newest runs, for who sees much and for who sees two procedures."""
    from tests.fixtures import postgres

    with postgres.running() as url, _database(url):
        yield _pairs(*_filled(*SIZES[small]), SIZES[small])


@contextmanager
def _database(url: str) -> Iterator[None]:
    """The default database is this one, migrated, for as long as the block lasts."""
    from django.core.management import call_command
    from django.db import connections

    from opsportal.settings import databases

    before = connections.settings["default"]
    connections["default"].close()
    described = {"default": databases.described(url)}
    connections.settings["default"] = connections.configure_settings(described)["default"]
    del connections["default"]
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = before
        del connections["default"]


def _pairs(much: Any, two: Any, at: datetime, size: tuple[int, ...]) -> list[Pair]:
    from guardian.core import ObjectPermissionChecker
    from guardian.shortcuts import get_objects_for_user

    from procedures.access.decision import decide
    from procedures.access.lists import visible, visible_runs
    from procedures.models import Environment, Procedure, Run

    asked = list(Procedure.objects.order_by("name")[:PAGE])
    staging = Environment.objects.get(pk="staging")
    notes = f"PostgreSQL; {size[0]:,} procedures, {size[1]:,} grants, {size[2]:,} people, {size[4]:,} runs"

    def guardian_s(person: Any, verb: str) -> Any:
        return get_objects_for_user(person, f"procedures.{verb}", Procedure, accept_global_perms=False)

    pairs = [
        Pair(
            "one decision",
            "guardian's has_perm",
            lambda: [decide(much, "run", procedure=one, environment=staging, at=at) for one in asked],
            lambda: [ObjectPermissionChecker(much).has_perm("run", one) for one in asked],
            times=len(asked),
            notes=notes,
        )
    ]
    for who, person in (("much", much), ("two", two)):
        pairs += [
            Pair(
                f"{PAGE} procedures, who sees {who}",
                "guardian's get_objects_for_user",
                lambda person=person: list(visible(Procedure.objects, person, "run", at=at).order_by("name")[:PAGE]),
                lambda person=person: list(guardian_s(person, "run").order_by("name")[:PAGE]),
                notes=notes,
            ),
            Pair(
                f"{PAGE} newest runs, who sees {who}",
                "guardian's get_objects_for_user",
                lambda person=person: list(visible_runs(Run.objects, person, "view", at=at).order_by("-id")[:PAGE]),
                lambda person=person: list(
                    Run.objects.filter(procedure__in=guardian_s(person, "view")).order_by("-id")[:PAGE]
                ),
                notes=notes,
            ),
        ]
    return pairs


def _filled(procedures: int, grants: int, people: int, groups: int, runs: int) -> tuple[Any, Any, datetime]:
    """The tables, filled past services and triggers: who sees much, who sees two, and the instant to ask about."""
    from django.contrib.auth.models import Group
    from django.db import connection

    from procedures.domain.clock import now
    from procedures.models import Environment, Membership, Person, Procedure

    at = now()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    Environment.objects.get_or_create(pk="staging", defaults={"title": "Staging"})
    everybody = Person.objects.bulk_create(
        [Person(username=f"p{i:05}", name=f"Person {i}", password="!") for i in range(people)], 1000
    )
    teams = Group.objects.bulk_create([Group(name=f"team-{i:03}") for i in range(groups)])
    things = Procedure.objects.bulk_create(
        [Procedure(name=f"procedure-{i:05}", title=f"Procedure {i}", hidden=True) for i in range(procedures)], 1000
    )
    much, two, giver = everybody[0], everybody[1], everybody[2]
    joined = [(person, teams[(7 * i + n) % groups]) for i, person in enumerate(everybody[3:]) for n in range(3)]
    joined += [(much, team) for team in teams[: max(2, groups // 10)]]
    Membership.objects.bulk_create(
        [Membership(person=person, group=team, since_at=at, added_by=giver) for person, team in joined], 1000
    )
    _grant([(two, None, things[0]), (two, None, things[1])], giver, at)
    draw = Random(7)
    for start in range(0, grants, 10_000):
        _grant(
            [
                (draw.choice(everybody[3:]) if i % 5 < 3 else None, draw.choice(teams), draw.choice(things))
                for i in range(start, min(grants, start + 10_000))
            ],
            giver,
            at,
        )
    _run_often(runs, things, giver, at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return much, two, at + timedelta(minutes=1)


def _grant(rows: list[tuple[Any, Any, Any]], giver: Any, at: datetime) -> None:
    """Grants with their rights and guardian's rows: the same truth for both. A team counts where nobody is named."""
    from django.contrib.auth.models import Permission

    from procedures.models import Grant, GrantRight
    from procedures.models.access import ProcedureGroupPermission, ProcedureUserPermission

    dates = {"not_before_at": at - timedelta(days=1)}
    end = at + timedelta(days=90)
    made = Grant.objects.bulk_create(
        [
            Grant(
                person=person, group=None if person else team, procedure=thing, verbs=list(VERBS), expires_at=end,
                reason="Their work.", granted_by=giver, created_at=at, **dates,
            )
            for person, team, thing in rows
        ],
        1000,
    )  # fmt: skip
    GrantRight.objects.bulk_create(
        [
            GrantRight(
                grant=one, verb=verb, person=one.person, group=one.group, procedure=one.procedure, ends_at=end, **dates
            )
            for one in made
            for verb in VERBS
        ],
        1000,
    )
    for verb in VERBS:
        right = Permission.objects.get(codename=verb, content_type__app_label="procedures")
        ProcedureUserPermission.objects.bulk_create(
            [ProcedureUserPermission(user=p, permission=right, content_object=t) for p, _, t in rows if p],
            1000,
            ignore_conflicts=True,
        )
        ProcedureGroupPermission.objects.bulk_create(
            [ProcedureGroupPermission(group=g, permission=right, content_object=t) for p, g, t in rows if not p],
            1000,
            ignore_conflicts=True,
        )


def _run_often(count: int, things: list[Any], requester: Any, at: datetime) -> None:
    """One run by the ORM, and so many like it by SQL, spread over the procedures; ids rise with time."""
    from django.db import connection

    from procedures.models import Run

    table = Run._meta.db_table
    first = Run(
        no=count + 1, procedure=things[0], version_id=uuid4(), digest="sha256:0", environment_id="staging",
        requester=requester, door="web", grant=uuid4(), risk="low", state="succeeded", state_since=at,
        requested_at=at, ended_at=at,
    )  # fmt: skip
    Run.objects.bulk_create([first])
    columns = [field.column for field in Run._meta.concrete_fields]
    new = {
        "id": "('01990000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
        "no": "n",
        "procedure_id": "(%s::uuid[])[1 + (n * 7919) %% %s]",
    }
    chosen = ", ".join(new.get(column, f'one."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    many = "generate_series(1::bigint, %s) n WHERE one.no = %s"
    spread = f"INSERT INTO {table} ({names}) SELECT {chosen} FROM {table} one, {many}"  # noqa: S608  (our own columns)
    with connection.cursor() as cursor:
        cursor.execute(spread, [[thing.pk for thing in things], len(things), count, count + 1])
