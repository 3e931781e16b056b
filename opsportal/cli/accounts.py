"""Service accounts: software with an owner who stands behind it."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask, show

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
@click.option("--owner", required=True, help="The person who stands behind whatever it asks for.")
@JSON
def make(username: str, name: str, owner: str, as_json: bool) -> None:
    """A service account without rights; its owner makes its tokens (`token make NAME --for USERNAME`)."""
    wanted = {"username": username, "name": name, "owner": subject_of(owner)}
    found = ask("POST", "/api/v1/service-accounts/", wanted)
    show(found, as_json=as_json, rows=[f"{found['username']} belongs to {found['owner']}."])


@account.command()
@click.argument("username")
@click.option("--owner", required=True)
def give(username: str, owner: str) -> None:
    """Another person owns it from here on; its tokens end."""
    found = ask("POST", f"/api/v1/service-accounts/{subject_of(username)}/give/", {"owner": subject_of(owner)})
    click.echo(f"{found['username']} belongs to {found['owner']}.")
