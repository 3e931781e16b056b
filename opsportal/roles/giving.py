"""Brings a database to the declared rights, and gives parts their logins; safe to repeat, with the portal under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import ProgrammingError, connection, transaction

from opsportal.roles import found as catalogue
from opsportal.roles.logins import Login, require_roles, set_logins
from opsportal.roles.names import Names
from opsportal.roles.steps import Steps, steps
from opsportal.roles.tables import TABLES
from opsportal.roles.wanted import Wanted, wanted
from procedures.domain.errors import OpsError
from procedures.models import Environment


class NoRoles(OpsError):
    """Roles are PostgreSQL's; a portal on SQLite is one user's anyway."""

    code = "roles.not-postgresql"
    next_step = "Set DATABASE_URL to a PostgreSQL, with the login that owns the portal's tables."


class NotInstalled(OpsError):
    """The tables are not those of this software."""

    code = "roles.not-installed"
    next_step = "Run `opsportal install` first: it migrates, and gives roles that are there what they need."


class MayNotGive(OpsError):
    """The login of this process may not make the roles, or does not own the tables."""

    code = "roles.may-not-give"
    next_step = (
        "Have an administrator of the database run what `opsportal roles --sql` prints, or give the owner of the "
        "tables CREATEROLE; then run `opsportal roles` again."
    )


@dataclass(frozen=True, slots=True)
class Given:
    """`done` statements were carried out, `logins` got a password; `left` is what somebody else has to mend."""

    done: int
    logins: Sequence[str]
    left: Sequence[str]

    @property
    def told(self) -> str:
        """For people, a line each."""
        first = f"{self.done} statements carried out." if self.done else "The roles have what they need; nothing to do."
        fresh = [f"Logins set: {', '.join(self.logins)}."] if self.logins else []
        return "\n".join([first, *fresh, *self.left])


def planned(logins: Sequence[Login] = ()) -> Steps:
    """What would be done to this database now, and for these logins. Raises NoRoles, NotInstalled."""
    return _planned(logins)[1]


def _planned(logins: Sequence[Login]) -> tuple[Wanted, Steps]:
    if connection.vendor != "postgresql":
        raise NoRoles("Roles for each part need PostgreSQL.")
    goal = wanted_now(logins)
    return goal, steps(goal, catalogue.look(connection, goal.roles))


def wanted_now(logins: Sequence[Login] = ()) -> Wanted:
    """What this database is to hold, for its environments, its columns, and who logs in."""
    shapes = catalogue.shapes(connection)
    if lacking := {table.name for table in TABLES} - shapes.keys():
        raise NotInstalled(f"The database has no table {min(lacking)}.")
    environments = list(Environment.objects.values_list("name", flat=True))
    log_in = catalogue.log_in(connection) | {login.role for login in logins}
    return wanted(names(), environments, TABLES, shapes, log_in)


def names() -> Names:
    """Roles are called after the database, since a server may hold several portals."""
    return Names(str(connection.settings_dict["NAME"]))


def exist() -> bool:
    """Whether this database has roles for its parts already; then each migration is followed by their rights."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s)", [names().of("web")])
        return bool(cursor.fetchone()[0])


def give(logins: Sequence[Login] = ()) -> Given:
    """Make what is missing, take what is too much, and give these parts their logins.

    Each table changes in a transaction of its own, so that a process under way waits for one table at most.
    Raises NoRoles, NotInstalled, MayNotGive, UnknownLogin.
    """
    goal, todo = _planned(logins)
    require_roles(logins, goal.roles)
    try:
        _carry_out(todo.first)
        for name in sorted(todo.tables):
            _carry_out(todo.tables[name])
        fresh = set_logins(logins)
    except ProgrammingError as problem:
        raise MayNotGive(f"The database refuses: {str(problem).strip()}") from problem
    rest = planned()
    if statements := list(rest):
        raise MayNotGive(f"{len(statements)} statements had no effect, such as: {statements[0]}")
    return Given(len(todo), fresh, rest.left)


def _carry_out(statements: Sequence[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
