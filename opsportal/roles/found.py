"""What a database holds of the declared rights now, read from its catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from opsportal.roles.wanted import Grant, Shape

ROLES = """
SELECT rolname, rolcanlogin, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
FROM pg_catalog.pg_roles WHERE rolname = ANY(%s)"""
MEMBERS = """
SELECT m.rolname, g.rolname FROM pg_catalog.pg_auth_members a
JOIN pg_catalog.pg_roles m ON m.oid = a.member JOIN pg_catalog.pg_roles g ON g.oid = a.roleid
WHERE m.rolname = ANY(%s)"""
OURS = "FROM pg_catalog.pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')"
TABLE_GRANTS = f"""
SELECT COALESCE(r.rolname, 'public'), c.relname, a.privilege_type, ''
FROM (SELECT c.* {OURS}) c CROSS JOIN LATERAL aclexplode(c.relacl) a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE a.grantee = 0 OR r.rolname = ANY(%s)"""  # noqa: S608
COLUMN_GRANTS = f"""
SELECT COALESCE(r.rolname, 'public'), c.relname, a.privilege_type, t.attname
FROM (SELECT c.* {OURS}) c JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped
CROSS JOIN LATERAL aclexplode(t.attacl) a
LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE a.grantee = 0 OR r.rolname = ANY(%s)"""  # noqa: S608
# What PostgreSQL itself makes of a policy `p`: kept beside it, so that one that somebody alters is found.
STANDS = """md5(concat_ws('/', p.polcmd, p.polpermissive, p.polroles, pg_get_expr(p.polqual, p.polrelid),
pg_get_expr(p.polwithcheck, p.polrelid)))"""
POLICIES = f"""
SELECT c.relname, p.polname, COALESCE(obj_description(p.oid, 'pg_policy'), ''), {STANDS}
FROM (SELECT c.* {OURS}) c JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid"""  # noqa: S608
SECURED = f"SELECT c.relname {OURS} AND c.relrowsecurity"
COLUMNS = f"""
SELECT c.relname, t.attname, COALESCE(t.attnum = i.indkey[0], false)
FROM (SELECT c.* {OURS}) c
JOIN pg_catalog.pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
ORDER BY c.relname, t.attnum"""  # noqa: S608
OPEN = """
SELECT has_database_privilege('public', current_database(), 'TEMP'),
       has_schema_privilege('public', current_schema(), 'CREATE'), current_database(), current_schema()"""
MAY_USE = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY(%s) AND NOT {0}"
CONNECTS = "has_database_privilege(rolname, current_database(), 'CONNECT')"
ENTERS = "has_schema_privilege(rolname, current_schema(), 'USAGE')"


@dataclass(frozen=True, slots=True)
class Found:
    """`roles`: name → (may log in, may more than any of ours). `policies`: (table, name) → the digest beside it, if the
    policy is still what it was when that was written.

    `outside` are roles that cannot connect yet, `shut_out` those that cannot use the schema.
    """

    roles: Mapping[str, tuple[bool, bool]]
    members: frozenset[tuple[str, str]]
    grants: frozenset[Grant]
    policies: Mapping[tuple[str, str], str]
    secured: frozenset[str]
    public_may_make_temporary: bool
    public_may_create: bool
    database: str
    schema: str
    outside: frozenset[str]
    shut_out: frozenset[str]


def shapes(connection: BaseDatabaseWrapper) -> Mapping[str, Shape]:
    """The columns of every table and its key, as they are: a column that goes stays for a release."""
    columns: dict[str, list[str]] = {}
    keys: dict[str, str] = {}
    for table, column, key in _rows(connection, COLUMNS):
        columns.setdefault(table, []).append(column)
        keys |= {table: column} if key else {}
    return {table: Shape(named, keys.get(table, "")) for table, named in columns.items()}


def log_in(connection: BaseDatabaseWrapper) -> set[str]:
    """Every role of this server that somebody may log in as."""
    return {name for (name,) in _rows(connection, "SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin")}


def _rows(connection: BaseDatabaseWrapper, question: str, *words: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question, words or None)
        return list(cursor.fetchall())


def look(connection: BaseDatabaseWrapper, roles: Iterable[str]) -> Found:
    """The catalogue's word on these roles, and on every policy of the portal's tables."""
    names, rows = sorted(roles), partial(_rows, connection)

    temporary, create, database, schema = rows(OPEN)[0]
    return Found(
        {name: (logs_in, more) for name, logs_in, more in rows(ROLES, names)},
        frozenset((member, group) for member, group in rows(MEMBERS, names)),
        frozenset((row[0], row[1], row[2], row[3]) for row in rows(TABLE_GRANTS, names) + rows(COLUMN_GRANTS, names)),
        {(table, name): said.removesuffix(f" {stands}") for table, name, said, stands in rows(POLICIES)},
        frozenset(table for (table,) in rows(SECURED)),
        temporary,
        create,
        database,
        schema,
        frozenset(name for (name,) in rows(MAY_USE.format(CONNECTS), names)),
        frozenset(name for (name,) in rows(MAY_USE.format(ENTERS), names)),
    )
