"""`opsportal target import`: hosts of an Ansible inventory, proposed as targets of one environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import propose_change, told
from opsportal.cli.portal import FAILED
from procedures.domain.importing import ImportRefused
from procedures.inventories import ansible
from procedures.inventories.targets import Wanted, wanted

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def target() -> None:
    """Hosts that procedures act on."""


@target.command("import")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
@click.option("--environment", required=True)
@click.option("--known-hosts", type=FILE, help="Where the hosts' keys are known; ~/.ssh/known_hosts if left out.")
@click.option("--trust", type=click.Choice(["key", "certificate"]), default="key", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be proposed; needs no portal.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--json", "as_json", is_flag=True)
def import_targets(
    files: tuple[Path, ...],
    environment: str,
    known_hosts: Path | None,
    trust: str,
    dry_run: bool,
    key: str | None,
    as_json: bool,
) -> None:
    """Propose every host of an inventory whose key is known. Secrets in the inventory stay behind.

    Ends 1 if a file is refused, or a host cannot be proposed.
    """
    place = known_hosts or Path.home() / ".ssh" / "known_hosts"
    seen = place.read_text(errors="replace") if place.exists() else ""
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            inventory = ansible.read(file.name, file.read_bytes())
        except ImportRefused as problem:
            rows.append({"file": str(file), "outcome": "refused", "line": problem.line, "message": problem.message})
            continue
        found = wanted(inventory, environment, seen, trust)
        rows += [{"file": str(file), **_proposed(one, dry_run=dry_run, key=key)} for one in found]
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else "\n".join(map(line, rows)))
    if any(row["outcome"] in {"refused", "left out"} for row in rows):
        raise SystemExit(FAILED)


def _proposed(one: Wanted, *, dry_run: bool, key: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"host": one.host, "notes": one.notes}
    if one.object is None:
        return row | {"outcome": "left out", "message": one.lacks}
    if dry_run:
        return row | {"outcome": "would be proposed", "object": one.object}
    return row | {"outcome": "proposed", "message": " ".join(told(propose_change("target", one.object, key)))}


def line(row: dict[str, Any]) -> str:
    """One row of the report, and what a person should know of it below."""
    if row["outcome"] == "refused":
        return f"refused    {row['file']}:{row['line']}: {row['message']}"
    where = row.get("object")
    more = f"{where['address']}:{where['port']}" if where else row.get("message", "")
    return "\n".join([f"{row['outcome']:<18} {row['host']:<30} {more}", *(f"    {note}" for note in row["notes"])])
