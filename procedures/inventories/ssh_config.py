"""Hosts of an OpenSSH client configuration: what `ssh NAME` would call, without patterns, jump hosts and programs."""

from __future__ import annotations

import re

from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import UNGROUPED, Inventory
from procedures.ssh.client_config import named_hosts

LOOKS = re.compile(r"^\s*(Host|Match)\s+\S", re.IGNORECASE | re.MULTILINE)
RUNS = re.compile(r"^\s*Match\s.*\bexec\b", re.IGNORECASE | re.MULTILINE)


def read(text: str) -> Inventory:
    """Every named host. One behind a jump host or a proxy says so in `ansible_connection`. Raises ImportRefused."""
    if found := RUNS.search(text):
        line = text.count("\n", 0, found.end()) + 1
        raise ImportRefused("`Match exec` runs a program, which an import never does; take that part out.", line=line)
    try:
        hosts = named_hosts(text)
    except ValueError as problem:
        raise ImportRefused(f"This is no configuration of ssh: {problem}.") from problem
    inventory = Inventory()
    for name, told in hosts.items():
        _add(inventory, name, told)
    return inventory


def _add(inventory: Inventory, name: str, told: dict[str, str]) -> None:
    port = str(told.get("port", "22"))
    variables = inventory.add_host(name, UNGROUPED, int(port) if port.isdigit() else None)
    variables["ansible_host"] = told["hostname"]
    if told.get("user"):
        variables["ansible_user"] = told["user"]
    way = told.get("proxyjump", "none"), told.get("proxycommand", "none")
    if set(way) != {"none"}:
        variables["ansible_connection"] = f"a jump host ({next(one for one in way if one != 'none')})"
