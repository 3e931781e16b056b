"""What a database is to hold for the declared rights: roles, grants and policies, as values that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from opsportal.roles.names import Names
from opsportal.roles.policies import Policy, policies_of
from opsportal.roles.rights import ALSO, OF_ENVIRONMENTS, PARTS, Right, Table, Within

Grant = tuple[str, str, str, str]  # role, table, privilege, column or ""


@dataclass(frozen=True, slots=True)
class Role:
    """One role. `within` are those whose rights it has too; a part of environments is a group that nobody is."""

    name: str
    part: str
    environment: str = ""
    within: tuple[str, ...] = ()

    @property
    def may_log_in(self) -> bool:
        return bool(self.environment) or self.part not in OF_ENVIRONMENTS


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a table, and which one is its key."""

    columns: Sequence[str]
    key: str


@dataclass(frozen=True, slots=True)
class Wanted:
    roles: Mapping[str, Role]
    grants: frozenset[Grant] = field(default=frozenset())
    policies: Mapping[tuple[str, str], Policy] = field(default_factory=dict)
    secured: frozenset[str] = frozenset()


def wanted(
    names: Names,
    environments: Sequence[str],
    tables: Sequence[Table],
    shapes: Mapping[str, Shape],
    log_in: Collection[str] = (),
) -> Wanted:
    """Everything that is to be there, for these environments and the columns that the tables have now.

    `log_in` are the roles that somebody logs in as: an issuer that does takes its rights from its runner.
    """
    roles = {role.name: role for role in _roles(names, environments, log_in)}
    secured = [table for table in tables if table.within is not Within.ANY]
    found = [policy for table in secured for policy in policies_of(table, names, environments)]
    return Wanted(
        roles,
        frozenset(grant for table in tables for grant in _grants(table, names, shapes[table.name])),
        {(policy.table, policy.name): policy for policy in found},
        frozenset(table.name for table in secured),
    )


def _roles(names: Names, environments: Sequence[str], log_in: Collection[str]) -> Iterator[Role]:
    for part in PARTS:
        yield Role(names.of(part), part)
        for one in environments if part in OF_ENVIRONMENTS else ():
            above, also = [names.of(part)], names.of(ALSO.get(part, ""), one)
            above += [also] if part in ALSO and also not in log_in else []
            yield Role(names.of(part, one), part, one, tuple(above))


def _grants(table: Table, names: Names, shape: Shape) -> Iterator[Grant]:
    for part, rights in table.rights.items():
        for right in rights:
            for privilege, column in _privileges(right, shape):
                yield names.of(part), table.name, privilege, column


def _privileges(right: Right, shape: Shape) -> Iterator[tuple[str, str]]:
    """A lock takes the right to change some column: the key, which a policy or what points at it lets nobody change."""
    if right.act == "lock":
        yield "UPDATE", shape.key
    elif right.columns is None:
        yield right.act.upper(), ""
    else:
        if unknown := right.columns - set(shape.columns):
            raise ValueError(f"there is no column {min(unknown)}")
        for column in shape.columns:
            if (column in right.columns) is not right.but:
                yield right.act.upper(), column
