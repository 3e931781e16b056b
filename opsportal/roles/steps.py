"""The statements that lead from what a database holds to what is declared; none where both agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from opsportal.roles.found import STANDS, Found
from opsportal.roles.wanted import Grant, Wanted

OURS = "opsportal_"  # how the names of our policies begin
NOTE = """DO $$ BEGIN EXECUTE (
SELECT format('COMMENT ON POLICY %I ON %I IS %L', p.polname, '{policy.table}', '{policy.digest} ' || <<STANDS>>)
FROM pg_catalog.pg_policy p WHERE p.polname = '{policy.name}' AND p.polrelid = '{policy.table}'::regclass
); END $$""".replace("<<STANDS>>", STANDS)
PLAIN = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


@dataclass(frozen=True, slots=True)
class Steps:
    """`first` concern the whole database, `tables` one table each, and belong into one transaction each: a table whose
    rows are bounded is never seen without its policies. `left` is what these statements cannot mend, in words.
    """

    first: list[str] = field(default_factory=list)
    tables: Mapping[str, list[str]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        yield from self.first
        for name in sorted(self.tables):
            yield from self.tables[name]

    def __len__(self) -> int:
        return len(list(iter(self)))


def steps(wanted: Wanted, found: Found) -> Steps:
    """What is to be done, in order."""
    tables: dict[str, list[str]] = defaultdict(list)
    for table, statement in (*_grants(wanted, found), *_policies(wanted, found), *_security(wanted, found)):
        tables[table].append(statement)
    return Steps([*_roles(wanted, found), *_doors(wanted, found)], dict(tables), list(_left(wanted, found)))


def quoted(name: str) -> str:
    """A name of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _roles(wanted: Wanted, found: Found) -> Iterator[str]:
    for name in wanted.roles:
        if name not in found.roles:
            yield f"CREATE ROLE {quoted(name)} NOLOGIN {PLAIN}"
        elif found.roles[name][1]:
            yield f"ALTER ROLE {quoted(name)} {PLAIN}"
    for name, role in wanted.roles.items():
        for above in role.within:
            if (name, above) not in found.members:
                yield f"GRANT {quoted(above)} TO {quoted(name)}"
    for name, above in sorted(found.members):
        if above in wanted.roles and above not in wanted.roles[name].within:
            yield f"REVOKE {quoted(above)} FROM {quoted(name)}"


def _doors(wanted: Wanted, found: Found) -> Iterator[str]:
    """Into the database and its schema go our roles; nobody makes tables of their own there to pass for ours."""
    database, schema = quoted(found.database), quoted(found.schema)
    if found.public_may_make_temporary:
        yield f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
    if found.public_may_create:
        yield f"REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"
    absent = wanted.roles.keys() - found.roles.keys()
    for roles, words in (
        (absent | found.outside, f"GRANT CONNECT ON DATABASE {database}"),
        (absent | found.shut_out, f"GRANT USAGE ON SCHEMA {schema}"),
    ):
        if roles:
            yield f"{words} TO {', '.join(quoted(role) for role in sorted(roles))}"


def _grants(wanted: Wanted, found: Found) -> Iterator[tuple[str, str]]:
    for word, rows, to in (("REVOKE", found.grants - wanted.grants, "FROM"), ("GRANT", wanted.grants, "TO")):
        for (role, table), privileges in _by_role(rows - (found.grants if word == "GRANT" else frozenset())).items():
            whom = "PUBLIC" if role == "public" else quoted(role)
            yield table, f"{word} {', '.join(privileges)} ON {quoted(table)} {to} {whom}"


def _by_role(grants: Iterable[Grant]) -> Mapping[tuple[str, str], list[str]]:
    """(role, table) → its privileges as a GRANT says them, those on columns together."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for role, table, privilege, column in sorted(grants):
        found[role, table][privilege].append(column)
    return {key: [_said(*one) for one in told.items()] for key, told in sorted(found.items())}


def _said(privilege: str, columns: list[str]) -> str:
    return privilege if "" in columns else f"{privilege} ({', '.join(quoted(column) for column in columns)})"


def _policies(wanted: Wanted, found: Found) -> Iterator[tuple[str, str]]:
    for (table, name), digest in sorted(found.policies.items()):
        policy = wanted.policies.get((table, name))
        if name.startswith(OURS) and (policy is None or policy.digest != digest):
            yield table, f"DROP POLICY {quoted(name)} ON {quoted(table)}"
    for (table, name), policy in sorted(wanted.policies.items()):
        if found.policies.get((table, name)) != policy.digest:
            yield table, policy.sql
            yield table, NOTE.format(policy=policy)


def _security(wanted: Wanted, found: Found) -> Iterator[tuple[str, str]]:
    for table in sorted(wanted.secured - found.secured):
        yield table, f"ALTER TABLE {quoted(table)} ENABLE ROW LEVEL SECURITY"
    mine = {table for table, name in found.policies if name.startswith(OURS)}
    for table in sorted((found.secured & mine) - wanted.secured):
        yield table, f"ALTER TABLE {quoted(table)} DISABLE ROW LEVEL SECURITY"


def _left(wanted: Wanted, found: Found) -> Iterator[str]:
    """What somebody gave our roles that is not ours to take: said, so that nobody trusts a wall with a door in it."""
    for member, group in sorted(found.members):
        if group not in wanted.roles:
            yield f"{member} is a member of {group}, which gives it more than its part: REVOKE that membership."
    for table, name in sorted(found.policies):
        if not name.startswith(OURS):
            yield f"{table} has the policy {name}, which is not of this portal: drop it, or say why it stays."
