"""Ansible's static inventories: INI, YAML, JSON and TOML, read as Ansible reads them; nothing is executed.

Source of the rules: Ansible's documentation, "How to build your inventory", and the output of `ansible-inventory`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from procedures.definitions import unfold
from procedures.definitions.unfold import Tagged
from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import Inventory
from procedures.inventories import ansible_ini
from procedures.inventories.ansible_hosts import expand

VAULT = b"$ANSIBLE_VAULT"
YAML_ENDS = {"", ".yaml", ".yml", ".json"}
MAX_BYTES = 2 * 1024 * 1024
Parsed = Mapping[str, Any]


def read(name: str, data: bytes) -> Inventory:
    """The inventory of one file. Raises ImportRefused with the line."""
    if data.startswith(VAULT):
        raise ImportRefused("The file is encrypted with ansible-vault; decrypt it first.")
    if data.startswith(b"#!"):
        raise ImportRefused("The file is a program; run it and give its output with the ending .json.")
    if len(data) > MAX_BYTES:
        raise ImportRefused(f"The file is larger than {MAX_BYTES:,} bytes.")
    end = PurePath(name).suffix.lower()
    if end == ".toml":
        return _toml(data)
    if end in YAML_ENDS:
        try:
            return _yaml(data)
        except ImportRefused:
            if end:
                raise
    return ansible_ini.read(data)


def _yaml(data: bytes) -> Inventory:
    documents = unfold.load_all(data)
    if len(documents) != 1 or not isinstance(documents[0].value, Mapping) or not documents[0].value:
        raise ImportRefused("The file holds no groups.")
    if "plugin" in documents[0].value:
        line = documents[0].where("/plugin")[0]
        raise ImportRefused("The file configures an inventory plug-in; give what it prints.", line=line)
    if "_meta" in documents[0].value:
        return _script(documents[0].value)
    inventory = Inventory()
    for name, group in documents[0].value.items():
        if group is None or isinstance(group, Mapping):
            _group(inventory, name, group or {}, documents[0].where(f"/{name}")[0])
    return _settled(inventory)


def _group(inventory: Inventory, name: str, said: Parsed, line: int) -> str:
    inventory.group(name)
    for key in ("vars", "children", "hosts"):
        part = said.get(key)
        if part is not None and not isinstance(part, Mapping | str):
            raise ImportRefused(f"The {key} of {name} must be a mapping.", line=line)
    for key, value in _mapping(said.get("vars")).items():
        inventory.set_group_variable(name, key, secretless(value))
    for key, value in _mapping(said.get("children")).items():
        child = _group(inventory, key, value if isinstance(value, Mapping) else {}, line)
        if not inventory.add_child(name, child):
            raise ImportRefused(f"The group {child} contains itself.", line=line)
    for key, value in _mapping(said.get("hosts")).items():
        names, port = expand(key, line)
        for host in names:
            variables = inventory.add_host(host, name, port)
            variables.update({k: secretless(v) for k, v in _mapping(value).items()})
    return name


def _mapping(value: Any) -> Parsed:
    return {value: None} if isinstance(value, str) else value if isinstance(value, Mapping) else {}


def _script(said: Parsed) -> Inventory:
    """What an inventory program prints: groups as lists or mappings, and variables of hosts under `_meta`."""
    inventory = Inventory()
    for name, group in said.items():
        if name == "_meta":
            continue
        rows = {"hosts": group} if isinstance(group, list) else _mapping(group)
        inventory.group(name)
        for key, value in _mapping(rows.get("vars")).items():
            inventory.set_group_variable(name, key, secretless(value))
        for host in rows.get("hosts") or []:
            inventory.add_host(str(host), name)
        for child in rows.get("children") or []:
            inventory.add_child(name, str(child))
    for host, variables in _mapping(_mapping(said["_meta"]).get("hostvars")).items():
        inventory.hosts.setdefault(host, {}).update({k: secretless(v) for k, v in _mapping(variables).items()})
    return _settled(inventory)


def _toml(data: bytes) -> Inventory:
    try:
        said = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ImportRefused(f"The file is not TOML: {problem}") from problem
    if not said or "plugin" in said:
        raise ImportRefused("The file holds no groups.")
    inventory = Inventory()
    for name, group in said.items():
        rows = dict(_mapping(group))
        if isinstance(rows.get("children"), list):
            rows["children"] = {str(child): None for child in rows["children"]}
        _group(inventory, name, rows, 1)
    return _settled(inventory)


def _settled(inventory: Inventory) -> Inventory:
    inventory.settle()
    return inventory


def secretless(value: Any) -> Any:
    """A value without what is encrypted: that it was there is kept, never the cipher."""
    if isinstance(value, Tagged):
        return {"__ansible_vault": str(value)} if value.tag in {"!vault", "!vault-encrypted"} else str(value)
    if isinstance(value, Mapping):
        return {key: secretless(item) for key, item in value.items()}
    return [secretless(item) for item in value] if isinstance(value, list) else value
