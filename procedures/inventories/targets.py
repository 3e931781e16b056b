"""Hosts of an inventory as targets: what is carried over, what is missing, and what is a secret and stays behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procedures.domain.inventory import ALL, UNGROUPED, Inventory
from procedures.domain.inventory_sources import Found, Read, sound
from procedures.inventories.known_hosts import keys_of

SECRETS = re.compile(r"(^|_)(pass|password|passwd|secret|token|private_key|vault)(_|$)", re.IGNORECASE)
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,198}$")
TAG = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")


@dataclass(slots=True)
class Wanted:
    """One host: `object` is the control object to propose, or None with the reason in `lacks`."""

    host: str
    object: dict[str, Any] | None
    lacks: str = ""
    notes: list[str] = field(default_factory=list)


def wanted(
    inventory: Inventory, environment: str, known_hosts: str, trust: str, tags: Mapping[str, str] | None = None
) -> list[Wanted]:
    """Every host of an inventory, in its order; `tags` are given to each besides its own."""
    return [_one(inventory, host, environment, known_hosts, trust, tags or {}) for host in inventory.hosts]


def unknown(inventory: Inventory, known_hosts: str) -> list[tuple[str, int]]:
    """Address and port of each host that could be a target, were its key known."""
    found = []
    for host in inventory.hosts:
        variables = inventory.variables_of(host)
        address, port = _place(host, variables)
        if not _lacks(host, address, port, variables) and not _keys(host, address, port, variables, known_hosts):
            found.append((address, int(port)))
    return found


def found_in(inventory: Inventory, known_hosts: str) -> Read:
    """The same hosts as an inventory's source gives them; a host whose key is not known is among them.

    The variables `opsportal_host_key` and `opsportal_owner` of a host are its key and its owner.
    """
    found: list[Found] = []
    notes: list[str] = []
    for host in inventory.hosts:
        variables = inventory.variables_of(host)
        address, port = _place(host, variables)
        if lacks := _lacks(host, address, port, variables):
            notes.append(f"{host[:200]!r} is left out: {lacks}")
            continue
        keys = _keys(host, address, port, variables, known_hosts)
        variables.pop("opsportal_host_key", None)
        owner = str(variables.pop("opsportal_owner", ""))
        tags, left = _tags(inventory, host, variables)
        notes += [f"{host}: {one}" for one in left]
        found.append(Found(host, address, int(port), keys[0] if keys else "", owner, tags))
    return sound(found, notes)


def _place(host: str, variables: Mapping[str, Any]) -> tuple[str, Any]:
    """Address and port, as Ansible's variables say them."""
    address = str(variables.get("ansible_host") or variables.get("ansible_ssh_host") or host)
    return address, variables.get("ansible_port") or variables.get("ansible_ssh_port") or 22


def _keys(host: str, address: str, port: Any, variables: Mapping[str, Any], known_hosts: str) -> list[str]:
    """The keys that a host is known by, the strongest kind first; what its own variable says counts alone."""
    told = " ".join(str(variables.get("opsportal_host_key", "")).split()[:2])
    return [told] if told else keys_of(known_hosts, address, int(port)) or keys_of(known_hosts, host, int(port))


def _one(
    inventory: Inventory, host: str, environment: str, known_hosts: str, trust: str, more: Mapping[str, str]
) -> Wanted:
    variables = inventory.variables_of(host)
    address, port = _place(host, variables)
    notes = [f"{name} is a secret and stays behind" for name in sorted(variables) if SECRETS.search(name)]
    lacks = _lacks(host, address, port, variables)
    keys = [] if lacks else _keys(host, address, port, variables, known_hosts)
    if not lacks and not keys:
        lacks = f"its host key is not known; --scan asks the host, or add it with: ssh-keyscan -p {port} {address}"
    if lacks:
        return Wanted(host, None, lacks, notes)
    variables = {name: value for name, value in variables.items() if not name.startswith("opsportal_")}
    tags, left = _tags(inventory, host, variables)
    made = {
        "environment": environment,
        "name": host,
        "address": address,
        "port": int(port),
        "host_key": keys[0],
        "trust": trust,
        "tags": {**tags, **more},
        "attributes": {},
        "action": "set",
    }
    if owner := str(inventory.variables_of(host).get("opsportal_owner", "")):
        made["owner"] = owner
    return Wanted(host, made, "", [*notes, *left])


def _lacks(host: str, address: str, port: Any, variables: Mapping[str, Any]) -> str:
    if not NAME.fullmatch(host):
        return "its name holds signs that a target's name may not have"
    if variables.get("ansible_connection", "ssh") not in {"ssh", "smart", "paramiko", "paramiko_ssh"}:
        return f"it is reached by {variables['ansible_connection']}, not by SSH"
    if "{{" in address or not str(port).isdigit() or not 0 < int(port) < 65_536:
        return "its address or port is a template or no number"
    return ""


def _tags(inventory: Inventory, host: str, variables: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Groups and plain variables as tags; `group.web: "yes"` for each group that the host is in."""
    tags = {f"group.{g.name}": "yes" for g in inventory.groups_of(host) if g.name not in {ALL, UNGROUPED}}
    left = []
    for name, value in variables.items():
        if name.startswith("ansible_") or SECRETS.search(name):
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if TAG.fullmatch(name) and isinstance(value, str | int | bool) and len(text) <= 200 and "{{" not in text:
            tags[name] = text
        else:
            left.append(f"{name} is no plain value and is left out")
    return {name: value for name, value in tags.items() if TAG.fullmatch(name)}, left
