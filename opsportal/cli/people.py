"""People: inviting them, their signing keys and duties, and their leaving."""

from __future__ import annotations

from pathlib import Path

import click

from opsportal.cli.access import KEY, propose_change, told
from opsportal.cli.accounts import subject_of
from opsportal.cli.portal import ask
from procedures.domain.sshkeys import fingerprint


@click.group()
def person() -> None:
    """Invite people."""


@person.command()
@click.argument("username")
@click.option("--name", required=True)
@click.option("--email", default="")
def invite(username: str, name: str, email: str) -> None:
    """Make a person without rights, and print the link that lets them join within 24 hours."""
    found = ask("POST", "/api/v1/people/", {"username": username, "name": name, "email": email})
    click.echo(found["invitation"])


@person.command("close")
@click.argument("username")
def close_account(username: str) -> None:
    """Somebody leaves: sessions, tokens, access, groups, duties and keys end at once."""
    ask("POST", f"/api/v1/people/{subject_of(username)}/close/")
    click.echo(f"{username} can do nothing any more.")


@person.command("let-in")
@click.argument("username")
def let_in(username: str) -> None:
    """Let somebody sign in whom wrong passwords of others keep out."""
    ask("POST", f"/api/v1/people/{subject_of(username)}/let-in/")
    click.echo(f"{username} can sign in now, from anywhere.")


@person.command("key")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@KEY
def enrol_key(file: Path, key: str | None) -> None:
    """Propose the public key in FILE as your own signing key; an access manager confirms it."""
    public = " ".join(file.read_text().split()[:2])
    me = ask("GET", "/api/v1/me/")["subject"]
    thing = {"subject": me, "public": public, "fingerprint": fingerprint(public)}
    click.echo(f"{thing['fingerprint']}: read it to whoever confirms it.", err=True)
    click.echo("\n".join(told(propose_change("key", thing, key))))


@person.command("duty")
@click.argument("username")
@click.argument("duties", metavar="DUTY…", nargs=-1, required=True)
@click.option("--end", is_flag=True, help="Take them away.")
@KEY
def give_duties(username: str, duties: tuple[str, ...], end: bool, key: str | None) -> None:
    """For what somebody may decide: operations, security, compliance …"""
    principal, action = f"person:{subject_of(username)}", "remove" if end else "add"
    for duty in duties:
        change = propose_change("duty", {"principal": principal, "duty": duty, "action": action}, key)
        click.echo(f"{duty}: {told(change)[0]}")
