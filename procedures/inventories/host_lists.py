"""Hosts of a table (CSV with a head) and of known_hosts: the lists that every team has."""

from __future__ import annotations

import csv
import io
import re

from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import UNGROUPED, Inventory
from procedures.inventories.known_hosts import KINDS

NAMES = ("name", "host", "hostname", "target")
ADDRESSES = ("address", "ip", "ansible_host")
OWN = {"port": "ansible_port", "host_key": "opsportal_host_key", "owner": "opsportal_owner"}
BRACKETED = re.compile(r"^\[(?P<host>[^\]]+)\]:(?P<port>[0-9]{1,5})$")


def table(text: str) -> Inventory:
    """A row per host. Columns name, address, port, host_key, owner; each other one is a tag. Raises ImportRefused."""
    rows = csv.DictReader(io.StringIO(text), strict=True)
    head = [column.strip().lower() for column in rows.fieldnames or []]
    rows.fieldnames = head
    name = next((column for column in NAMES if column in head), None)
    if name is None:
        raise ImportRefused(f"The first line names no column of hosts: one of {', '.join(NAMES)}.", line=1)
    inventory = Inventory()
    try:
        for row in rows:
            _add_row(inventory, name, row, rows.line_num)
    except csv.Error as problem:
        raise ImportRefused(f"This is no CSV: {problem}.", line=rows.line_num) from problem
    return inventory


def _add_row(inventory: Inventory, name: str, row: dict[str, str | None], line: int) -> None:
    if None in row or None in row.values():
        raise ImportRefused("This line has more or fewer fields than the first.", line=line)
    values = {column: (value or "").strip() for column, value in row.items()}
    host = values.pop(name)
    if not host:
        raise ImportRefused("This line names no host.", line=line)
    if host in inventory.hosts:
        raise ImportRefused(f"{host} is named twice.", line=line)
    variables = inventory.add_host(host, UNGROUPED)
    for column, value in values.items():
        if value:
            variables["ansible_host" if column in ADDRESSES else OWN.get(column, column)] = value


def known(text: str) -> Inventory:
    """The hosts that known_hosts names in plain words; hashed names cannot be read back."""
    inventory = Inventory()
    for row in (line.split() for line in text.splitlines()):
        if len(row) < 3 or row[0][0] in "#@|" or row[1] not in KINDS:
            continue
        for one in row[0].split(",")[:1]:
            match = BRACKETED.match(one)
            host, port = (match["host"], int(match["port"])) if match else (one, 22)
            if not set(host) & set("*?!") and host not in inventory.hosts:
                inventory.add_host(host, UNGROUPED, port)
    return inventory
