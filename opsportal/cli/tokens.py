"""Tokens for programs: made for certain procedures and places, changed for fresh ones, ended."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.accounts import subject_of
from opsportal.cli.portal import ask, show

JSON = click.option("--json", "as_json", is_flag=True)


@click.group()
def token() -> None:
    """Tokens for programs."""


@token.command("list")
@JSON
def list_tokens(as_json: bool) -> None:
    """Your tokens and those of your service accounts."""
    found = ask("GET", "/api/v1/tokens/")
    rows = [
        f"{row['id']}  {row['name']:<20} {row['of']:<14} {row['prefix']}…  {row['state']:<8} until "
        f"{row['expires_at'][:16]}  {','.join(row['verbs'])} on {','.join(row['procedures']) or 'everything'} in "
        f"{','.join(row['environments']) or 'every environment'}; used {(row['last_used_at'] or 'never')[:16]}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No tokens."])


@token.command()
@click.argument("name")
@click.option("--days", default=30, show_default=True, help="1 to 90.")
@click.option("--procedure", "procedures", multiple=True, help="May repeat. Default: all that you may.")
@click.option("--environment", "environments", multiple=True, help="May repeat. Default: every one.")
@click.option("--verb", "verbs", multiple=True, help="discover, view, run, cancel, read_output, author; may repeat.")
@click.option("--for", "account", help="Name of a service account of yours. Default: yourself.")
@JSON
def make(
    name: str,
    days: int,
    procedures: tuple[str, ...],
    environments: tuple[str, ...],
    verbs: tuple[str, ...],
    account: str | None,
    as_json: bool,
) -> None:
    """A token, shown once. It can ask for runs; it can decide nothing."""
    wanted: dict[str, Any] = {"name": name, "days": days}
    wanted |= {"procedures": list(procedures), "environments": list(environments)}
    if verbs:
        wanted["verbs"] = list(verbs)
    if account:
        wanted["of"] = subject_of(account)
    found = ask("POST", "/api/v1/tokens/", wanted)
    show(found, as_json=as_json, rows=[found["token"]])


@token.command()
@click.argument("token_id")
@click.option("--overlap-hours", default=1, show_default=True, help="How long the old one stays good, 0 to 24.")
@JSON
def rotate(token_id: str, overlap_hours: int, as_json: bool) -> None:
    """A fresh secret for a token, shown once."""
    found = ask("POST", f"/api/v1/tokens/{token_id}/rotate/", {"overlap_hours": overlap_hours})
    show(found, as_json=as_json, rows=[found["token"]])


@token.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """End a token now."""
    ask("DELETE", f"/api/v1/tokens/{token_id}/")
    click.echo("It is dead.")
