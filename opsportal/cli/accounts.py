"""Service accounts: software with an owner who stands behind it."""

from __future__ import annotations

from uuid import uuid4

import click

from opsportal.cli.portal import FAILED, ask, show

KEY = click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
JSON = click.option("--json", "as_json", is_flag=True)


def subject_of(username: str) -> str:
    """The subject of a person by their name, or what was given."""
    people = {p["username"]: p["subject"] for p in ask("GET", "/api/v1/people/")["results"]}
    return str(people.get(username, username))


@click.group()
def account() -> None:
    """Service accounts: software with an owner."""


@account.command("list")
@JSON
def list_accounts(as_json: bool) -> None:
    """Service accounts, those without an owner marked."""
    found = ask("GET", "/api/v1/service-accounts/")
    rows = [
        f"{row['username']:<24} {row['name']:<30} of {row['owner'] or 'nobody'}"
        f"{'' if row['active'] else '  suspended'}{'  NEEDS AN OWNER' if row['needs_owner'] else ''}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No service accounts."])


@account.command()
@click.argument("username")
@click.option("--name", required=True)
@click.option("--owner", required=True, help="The person who stands behind whatever it asks for; never yourself.")
@KEY
@JSON
def make(username: str, name: str, owner: str, key: str | None, as_json: bool) -> None:
    """A service account without rights; its owner makes its tokens (`token make NAME --for USERNAME`)."""
    _propose({"account": str(uuid4()), "username": username, "name": name}, owner, key, as_json=as_json)


@account.command()
@click.argument("username")
@click.option("--owner", required=True)
@KEY
@JSON
def give(username: str, owner: str, key: str | None, as_json: bool) -> None:
    """Another person owns it from here on; its tokens end."""
    known = {row["username"]: row for row in ask("GET", "/api/v1/service-accounts/")["results"]}
    if username not in known:
        click.echo(f"There is no service account {username!r}. See: opsportal account list", err=True)
        raise SystemExit(FAILED)
    row = known[username]
    _propose({"account": row["subject"], "username": username, "name": row["name"]}, owner, key, as_json=as_json)


def _propose(named: dict[str, str], owner: str, key: str | None, *, as_json: bool) -> None:
    from opsportal.cli.access import propose_change, told

    found = propose_change("service_account", {**named, "owner": subject_of(owner)}, key)
    show(found, as_json=as_json, rows=told(found))
