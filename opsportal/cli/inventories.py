"""`opsportal inventory`: sources that say which hosts there are, and what differs from the targets."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.access import propose_change, told
from opsportal.cli.portal import FAILED, ask, show


@click.group()
def inventory() -> None:
    """Sources that say which hosts there are."""


@inventory.command("list")
@click.option("--environment", default="")
@click.option("--json", "as_json", is_flag=True)
def list_inventories(environment: str, as_json: bool) -> None:
    found = ask("GET", f"/api/v1/inventories/?environment={environment}")
    rows = [
        f"{r['name']:<24} {r['environment']:<14} {r['kind']:<12} {r['problem'] or r['synced_at'] or 'not read yet'}"
        for r in found["results"]
    ]
    show(
        found, as_json=as_json, rows=rows or ["No inventory yet; propose one: opsportal control propose inventory FILE"]
    )


@inventory.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def show_inventory(name: str, as_json: bool) -> None:
    """One inventory: how its newest sync differs from the targets."""
    found = ask("GET", f"/api/v1/inventories/{name}/")
    rows = [f"{found['kind']} of {found['environment']}, read {found['synced_at'] or 'never yet'}"]
    rows += [f"failed: {found['problem']}"] if found["problem"] else []
    rows += [line for one in found["differences"] for line in _lines(one)]
    rows += [f"left out   {note}" for note in found["notes"]]
    show(found, as_json=as_json, rows=rows if found["differences"] else [*rows, "Nothing differs."])


@inventory.command()
@click.argument("name")
def sync(name: str) -> None:
    """Have a runner read an inventory now."""
    ask("POST", f"/api/v1/inventories/{name}/sync/", {})
    click.echo(f"{name} is read within seconds; opsportal inventory show {name} tells what differs.")


@inventory.command()
@click.argument("name")
@click.argument("hosts", metavar="[HOST…]", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that can be taken over.")
@click.option("--known-hosts", type=click.File(), help="Keys of hosts whose source does not know them.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def accept(name: str, hosts: tuple[str, ...], every: bool, known_hosts: Any, key: str | None) -> None:
    """Propose what an inventory says of these hosts as changes of targets, each signed.

    Ends 1 if a host that was named cannot be proposed.
    """
    if bool(hosts) == every:
        raise click.UsageError("Name hosts, or --all.")
    found = ask("GET", f"/api/v1/inventories/{name}/")
    rows = {one["name"]: one for one in found["differences"]}
    seen = known_hosts.read() if known_hosts else ""
    missing = False
    for host in hosts or sorted(rows):
        one = rows.get(host)
        object = _keyed(one, seen) if one else None
        if object is None:
            missing = missing or not every
            click.echo(f"left out   {host:<30} {one['why'] if one else 'nothing differs'}")
            continue
        click.echo(f"proposed   {host:<30} {' '.join(told(propose_change('target', object, key)))}")
    if missing:
        raise SystemExit(FAILED)


def _keyed(one: dict[str, Any], known_hosts: str) -> dict[str, Any] | None:
    """The change to propose; a host that lacks only its key gets it from known_hosts."""
    from procedures.inventories.known_hosts import keys_of

    object: dict[str, Any] | None = one["object"]
    if one["kind"] != "incomplete" or object is None:
        return object
    keys = keys_of(known_hosts, object["address"], object["port"]) or keys_of(known_hosts, one["name"], object["port"])
    return {**object, "host_key": keys[0]} if keys else None


def _lines(one: dict[str, Any]) -> list[str]:
    head = f"{one['kind']:<10} {one['name']:<30} {one['why']}".rstrip()
    return [head, *(f"    {field}: {before!r} → {after!r}" for field, before, after in one["fields"])]
