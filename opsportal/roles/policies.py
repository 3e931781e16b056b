"""Row security of one table: open to those who work for every environment, for a pool bounded by its own rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opsportal.roles import scopes
from opsportal.roles.events import kinds_of
from opsportal.roles.names import Names
from opsportal.roles.rights import OF_ENVIRONMENTS, POOLS, Table

EVENTS = "evidence_event"


@dataclass(frozen=True, slots=True)
class Policy:
    """`using` bounds the rows that are seen, `check` those that may be written; "" says nothing."""

    table: str
    name: str
    command: str
    roles: tuple[str, ...]
    using: str = ""
    check: str = ""

    @property
    def sql(self) -> str:
        words = f'CREATE POLICY "{self.name}" ON "{self.table}" FOR {self.command} TO '
        words += ", ".join(f'"{role}"' for role in self.roles)
        words += f" USING ({self.using})" if self.using else ""
        return words + (f" WITH CHECK ({self.check})" if self.check else "")

    @property
    def digest(self) -> str:
        """Kept as the policy's comment: PostgreSQL gives its words back in another form than it took them."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:32]


def policies_of(table: Table, names: Names, environments: Sequence[str]) -> Iterator[Policy]:
    """Every policy of a table with bounded rows, each by a name of its own."""
    yield from _open(table, names)
    yield from _of_pools(table, names, environments)
    if table.name == EVENTS:
        yield from _of_kinds(table, names)


def _acts(table: Table, part: str) -> set[str]:
    return {right.act for right in table.rights.get(part, ())}


def _open(table: Table, names: Names) -> Iterator[Policy]:
    """Those who are no pool see every row; what they may do with it is a matter of grants. A lock changes nothing."""
    parts = [part for part in table.rights if part not in POOLS]
    plain = tuple(names.of(part) for part in parts if "lock" not in _acts(table, part))
    if table.name == EVENTS:
        yield Policy(table.name, "opsportal_open", "SELECT", plain, "true")
        prunes = tuple(names.of(part) for part in parts if "update" in _acts(table, part))
        purged = f"EXISTS (SELECT 1 FROM procedures_purge above WHERE above.run_id = {table.name}.run)"  # noqa: S608
        yield Policy(table.name, "opsportal_prunes", "UPDATE", prunes, purged, f"{purged} AND length(body) = 0")
        bundle = f"EXISTS (SELECT 1 FROM evidence_coldbundle cold WHERE cold.run = {table.name}.run)"  # noqa: S608
        place = "substring(body FROM 1 FOR 10) = convert_to('[\"cold/1\",', 'UTF8')"  # what it says, a trigger judges
        yield Policy(table.name, "opsportal_cools", "UPDATE", prunes, bundle, f"{bundle} AND {place}")
    elif plain:
        yield Policy(table.name, "opsportal_open", "ALL", plain, "true", "true")
    for part in parts:
        if "lock" in (acts := _acts(table, part)):
            yield from _locking(table, f"opsportal_{part}", (names.of(part),), acts, "true")


def _locking(table: Table, name: str, roles: tuple[str, ...], acts: set[str], rows: str) -> Iterator[Policy]:
    """A command each: rows may be locked, and no change of one passes the check."""
    if "select" in acts and not (table.reads_all and rows != "true"):
        yield Policy(table.name, f"{name}_select", "SELECT", roles, rows)
    if "insert" in acts:
        yield Policy(table.name, f"{name}_insert", "INSERT", roles, "", rows)
    if "delete" in acts:
        yield Policy(table.name, f"{name}_delete", "DELETE", roles, rows)
    yield Policy(table.name, f"{name}_lock", "UPDATE", roles, rows, "false")


def _of_pools(table: Table, names: Names, environments: Sequence[str]) -> Iterator[Policy]:
    pools = [part for part in POOLS if part in table.rights]
    if table.reads_all:
        yield Policy(table.name, "opsportal_seen", "SELECT", tuple(names.of(part) for part in pools), "true")
        pools = [part for part in pools if _acts(table, part) != {"select"}]
    if not pools:
        return
    shared = scopes.shared(table.name, table.within)
    if shared is not None:
        yield from _bounded(table, "opsportal_pools", pools, tuple(names.of(part) for part in pools), shared)
        return
    for one in environments:
        roles = tuple(names.of(part, one) for part in pools if part in OF_ENVIRONMENTS)
        rows = scopes.of_environment(table.within, one)
        yield from _bounded(table, names_of_pool(one), pools, roles, rows)
    if "disposable" in pools:
        rows = scopes.of_drafts(table.name, table.within)
        yield from _bounded(table, "opsportal_drafts", ["disposable"], (names.of("disposable"),), rows)


def names_of_pool(environment: str) -> str:
    """The name of the policies of an environment's pool; a long one is told by a digest."""
    said = environment if len(environment) <= 32 else hashlib.sha256(environment.encode()).hexdigest()[:32]
    return f"opsportal_in_{said}"


def _bounded(table: Table, name: str, parts: Sequence[str], roles: tuple[str, ...], rows: str) -> Iterator[Policy]:
    acts = set[str]().union(*(_acts(table, part) for part in parts))
    if not roles:
        return
    if table.name == EVENTS:
        yield Policy(table.name, name, "SELECT", roles, rows)
    elif "lock" in acts:
        yield from _locking(table, name, roles, acts, rows)
    else:
        yield Policy(table.name, name, "ALL", roles, rows, rows)


def _of_kinds(table: Table, names: Names) -> Iterator[Policy]:
    """Each part adds events of its own kinds alone, and a pool those of its own runs."""
    for part in table.rights:
        if kinds := kinds_of(part):
            listed = ", ".join(scopes.literal(kind) for kind in kinds)
            check = f"kind IN ({listed})"
            if part in POOLS:
                check += f" AND ({scopes.shared(table.name, table.within)})"
            yield Policy(table.name, f"opsportal_adds_{part}", "INSERT", (names.of(part),), "", check)
