"""Logins of parts: a role's password is set from the very DATABASE_URL that its process is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import environ
import psycopg
from django.db import connection

from opsportal.roles.steps import quoted
from opsportal.roles.wanted import Role
from procedures.domain.errors import OpsError

SCHEMES = ("postgres://", "postgresql://")


class UnknownLogin(OpsError):
    """A file that names no login of this portal."""

    code = "roles.unknown-login"
    next_step = (
        "Give one file for each part, with the DATABASE_URL of that part; `opsportal roles --sql` names the roles."
    )


@dataclass(frozen=True, slots=True)
class Login:
    """A role and its password, which no message repeats."""

    role: str
    password: str = field(repr=False)


def read(file: Path) -> Login:
    """A part's login out of a file that holds its DATABASE_URL. Raises UnknownLogin."""
    try:
        url = file.read_text().strip()
    except (OSError, ValueError) as problem:
        raise UnknownLogin(f"{file} cannot be read.") from problem
    said = environ.Env.db_url_config(url) if url.startswith(SCHEMES) else {}
    if not said.get("USER") or not said.get("PASSWORD"):
        raise UnknownLogin(f"{file} holds no postgres:// URL with a name and a password.")
    return Login(str(said["USER"]), str(said["PASSWORD"]))


def require_roles(logins: Sequence[Login], roles: Mapping[str, Role]) -> None:
    """Each login is one of the portal's roles that somebody logs in as. Raises UnknownLogin."""
    for login in logins:
        if login.role not in roles or not roles[login.role].may_log_in:
            may = ", ".join(sorted(name for name, role in roles.items() if role.may_log_in))
            raise UnknownLogin(f"{login.role} is no login of this portal. They are: {may}.")


def set_logins(logins: Sequence[Login]) -> list[str]:
    """Let each of these log in with its password, where it cannot yet. Gives the names of those that were set.

    The server is handed a SCRAM verifier: no password stands in a statement, and so in no log of the server.
    """
    return [login.role for login in logins if not _enters(login) and _set(login)]


def _set(login: Login) -> bool:
    connection.ensure_connection()
    link = connection.connection.pgconn
    verifier = link.encrypt_password(login.password.encode(), login.role.encode(), b"scram-sha-256").decode()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {quoted(login.role)} LOGIN PASSWORD '{verifier}'")
    return True


def _enters(login: Login) -> bool:
    """Whether this very login works already."""
    place = {**connection.get_connection_params(), "user": login.role, "password": login.password}
    try:
        psycopg.connect(**{**place, "connect_timeout": 10}).close()
    except psycopg.OperationalError:
        return False
    return True
