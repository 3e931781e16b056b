"""Directories: which identity providers push people over SCIM, and a token for one."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask, show

JSON = click.option("--json", "as_json", is_flag=True)


@click.group()
def directory() -> None:
    """Identity providers that push people."""


@directory.command("list")
@JSON
def list_directories(as_json: bool) -> None:
    """Providers that push people and groups, with their tokens."""
    found = ask("GET", "/api/v1/directories/")
    rows = []
    for row in found["results"]:
        rows.append(f"{row['provider']:<20} {row['people']} people, {row['groups']} groups  {row['address']}")
        rows += [
            f"  {one['id']}  {one['name']:<20} until {one['expires_at'][:16]}  "
            f"by {one['made_by']}; used {(one['last_used_at'] or 'never')[:16]}"
            for one in row["tokens"]
        ]
    show(found, as_json=as_json, rows=rows or ["No identity provider pushes people."])


@directory.command("token")
@click.argument("provider")
@click.option("--name", default="SCIM", show_default=True)
@click.option("--days", default=90, show_default=True, help="1 to 90.")
@JSON
def make_token(provider: str, name: str, days: int, as_json: bool) -> None:
    """A token for a provider's SCIM client, shown once; `opsportal token revoke` ends it."""
    found = ask("POST", "/api/v1/directories/", {"provider": provider, "name": name, "days": days})
    show(found, as_json=as_json, rows=[found["token"]])
