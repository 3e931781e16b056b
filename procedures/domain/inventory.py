"""Hosts, groups and variables of an inventory, and how they add up for one host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

ALL, UNGROUPED = "all", "ungrouped"
PRIORITY = "ansible_group_priority"


@dataclass(slots=True)
class Group:
    """`hosts` and `children` are names in the order in which they were met."""

    name: str
    hosts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    priority: int = 1


@dataclass(slots=True)
class Inventory:
    """Groups by name and the own variables of each host. `all` and `ungrouped` are always there."""

    groups: dict[str, Group] = field(
        default_factory=lambda: {ALL: Group(ALL, children=[UNGROUPED]), UNGROUPED: Group(UNGROUPED)}
    )
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name))

    def add_host(self, name: str, group: str, port: int | None = None) -> dict[str, Any]:
        """The host's own variables, to be added to."""
        known = name in self.hosts
        variables = self.hosts.setdefault(name, {})
        if port is not None and not known:
            variables["ansible_port"] = port
        row = self.group(group)
        if name not in row.hosts:
            row.hosts.append(name)
        return variables

    def add_child(self, parent: str, child: str) -> bool:
        """Whether the child stands under the parent now; a loop is refused."""
        if parent == child or parent in self.below(child):
            return False
        row = self.group(parent)
        if child not in row.children:
            row.children.append(child)
        return True

    def set_group_variable(self, group: str, name: str, value: Any) -> None:
        if name == PRIORITY and str(value).lstrip("-").isdigit():
            self.group(group).priority = int(value)
        else:
            self.group(group).variables[name] = value

    def below(self, name: str) -> set[str]:
        """Every group under a group."""
        found: set[str] = set()
        waiting = list(self.group(name).children)
        while waiting:
            child = waiting.pop()
            if child not in found:
                found.add(child)
                waiting += self.group(child).children
        return found

    def parents(self, name: str) -> list[str]:
        return [group.name for group in self.groups.values() if name in group.children]

    def settle(self) -> None:
        """Put every group below `all`, and every host that stands in no group into `ungrouped`."""
        for name in list(self.groups):
            if name != ALL and not self.parents(name):
                self.add_child(ALL, name)
        for host in self.hosts:
            mine = {group.name for group in self.groups.values() if host in group.hosts}
            if mine - {ALL, UNGROUPED}:
                if host in self.groups[UNGROUPED].hosts:
                    self.groups[UNGROUPED].hosts.remove(host)
            elif UNGROUPED not in mine:
                self.groups[UNGROUPED].hosts.append(host)

    def depth(self, name: str) -> int:
        """How far below `all` a group stands, by its longest way."""
        return max((self.depth(parent) + 1 for parent in self.parents(name)), default=0)

    def groups_of(self, host: str) -> list[Group]:
        """The groups of a host and all above them, outer before inner, then by priority and name."""
        names = {group.name for group in self.groups.values() if host in group.hosts}
        waiting = list(names)
        while waiting:
            for parent in self.parents(waiting.pop()):
                if parent not in names:
                    names.add(parent)
                    waiting.append(parent)
        found = [self.groups[name] for name in names | {ALL}]
        return sorted(found, key=lambda group: (self.depth(group.name), group.priority, group.name))

    def variables_of(self, host: str) -> dict[str, Any]:
        """What holds for a host: variables of its groups, inner over outer, and its own over all."""
        found: dict[str, Any] = {}
        for group in self.groups_of(host):
            found.update(group.variables)
        return found | self.hosts[host]

    def listing(self) -> dict[str, Any]:
        """The inventory as `ansible-inventory --list` prints it: groups that say nothing are left out."""
        variables = {host: plain(found) for host in self.hosts if (found := self.variables_of(host))}
        rows: dict[str, Any] = {"_meta": {"hostvars": variables}}
        for name, group in self.groups.items():
            row: dict[str, Any] = {}
            if group.children:
                row["children"] = list(group.children)
            if group.hosts and name != ALL:
                row["hosts"] = list(group.hosts)
            if row:
                rows[name] = row
        return rows


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
