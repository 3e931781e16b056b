"""Brings the database up to date and, the first time, writes genesis: the step before any process starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from opsportal.roles import giving
from opsportal.roles.giving import Given
from opsportal.roles.logins import Login
from procedures.models import triggers
from procedures.runner import cards, installing
from procedures.services.bootstrap import first_link

LOCK = 0x0B5_5E7
LOCK_S = 10


@dataclass(frozen=True, slots=True)
class SetUp:
    """`migrated` is how many migrations were applied, `fresh` whether genesis was written now, `link` the one-time link
    of the first access manager while there is none, `given` what was done for the roles of parts, if there are any.
    """

    migrated: int
    fresh: bool
    link: str | None
    given: Given | None


def set_up(card_files: Sequence[Path], logins: Sequence[Login] = ()) -> SetUp:
    """Migrate, install from cards, ship runbooks, give parts their rights; safe to repeat, and one at a time.

    Roles are made where there are `logins`; where they are there already they get the rights on what migrations made.
    Raises CardsDoNotFit, and what `giving.give` raises.
    """
    given = [cards.read(file) for file in card_files]
    with alone():
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan or triggers.missing(connection):
            call_command("migrate", interactive=False, verbosity=0)  # which puts triggers in place too
        fresh = installing.install_from(given)
        rights = giving.give(logins) if logins or giving.exist() else None
        return SetUp(len(plan), fresh, first_link(), rights)


@contextmanager
def alone() -> Iterator[None]:
    """Of two that come at once the second waits. With SQLite the file's own lock has to do.

    A statement that does not get its lock within LOCK_S gives up, and with it its migration: while it waited, everybody
    who reads that table would wait behind it. Run it again at a calmer hour.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        cursor.execute(f"SET lock_timeout = '{LOCK_S}s'")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
