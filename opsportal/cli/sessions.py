"""Open sessions: where one is signed in, and ending what should not be open."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask, show

JSON = click.option("--json", "as_json", is_flag=True)


@click.group()
def session() -> None:
    """Where you are signed in."""


@session.command("list")
@click.option("--of", "subject", help="As an access manager: the subject of another person.")
@JSON
def list_sessions(subject: str | None, as_json: bool) -> None:
    """Open sessions, last used first."""
    found = ask("GET", "/api/v1/sessions/", params={"of": subject} if subject else {})
    rows = [
        f"{row['id']}  {row['kind']}  {row['address']:<16} seen {row['seen_at'][:16]}  until {row['until_at'][:16]}  "
        f"{row['device'][:60]}{'  (this one)' if row['current'] else ''}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No open sessions."])


@session.command()
@click.argument("session_id", required=False)
@click.option("--all", "every", is_flag=True, help="Every session but this one.")
@click.option("--of", "subject", help="With --all, as an access manager: the subject of another person.")
def revoke(session_id: str | None, every: bool, subject: str | None) -> None:
    """End one session, or with --all every other one."""
    if every == bool(session_id):
        raise click.UsageError("Name one session, or give --all.")
    if session_id:
        ask("DELETE", f"/api/v1/sessions/{session_id}/")
        click.echo("It is over.")
        return
    found = ask("DELETE", "/api/v1/sessions/", params={"of": subject} if subject else {})
    click.echo(f"{found['ended']} ended.")
