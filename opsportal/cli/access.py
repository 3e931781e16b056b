"""Who may do what: grants, other control objects and people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access_requests import COMMANDS
from opsportal.cli.accounts import subject_of
from opsportal.cli.answers import drift, report, separation
from opsportal.cli.campaigns import campaign
from opsportal.cli.portal import FAILED, TOTP, ask, json_of, proof, show, signed
from opsportal.cli.spaces import spaces

KEY = click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
JSON = click.option("--json", "as_json", is_flag=True)


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def propose_change(kind: str, thing: dict[str, Any], key: str | None) -> dict[str, Any]:
    signature = None
    if key is not None:
        asked = ask("POST", "/api/v1/controls/statement/", {"control": kind, "object": thing})
        click.echo(json.dumps(asked["value"], indent=2, ensure_ascii=False), err=True)
        signature = signed(asked["statement"], key)
    found: dict[str, Any] = ask("POST", "/api/v1/controls/", {"control": kind, "object": thing, "signature": signature})
    return found


def told(found: dict[str, Any]) -> list[str]:
    rest = (
        ""
        if found["state"] == "confirmed"
        else f"; another person confirms it: opsportal control confirm {found['id']}"
    )
    return [f"{found['control']} is {found['state']}{rest}"]


@click.group()
def access() -> None:
    """Who may do what."""


for command in (*COMMANDS, campaign, report, drift, separation, spaces):
    access.add_command(command)


@access.command("list")
@JSON
def list_grants(as_json: bool) -> None:
    found = ask("GET", "/api/v1/grants/")
    rows = [
        f"{g['id']}  {g['principal']:<20} {','.join(g['verbs']):<24} {g['procedure'] or 'every procedure':<22} "
        f"{','.join(g['environments']) or 'everywhere'} until {g['expires_at'][:10]}"
        for g in found["results"]
        if not g["revoked_at"]
    ]
    show(found, as_json=as_json, rows=rows or ["No grants."])


@access.command()
@click.argument("grant_id")
@click.option("--reason", required=True)
@KEY
@JSON
def revoke(grant_id: str, reason: str, key: str | None, as_json: bool) -> None:
    """End a grant now."""
    found = propose_change("grant_end", {"grant": grant_id, "reason": reason}, key)
    show(found, as_json=as_json, rows=told(found))


@click.group()
def control() -> None:
    """Propose and confirm what decides authority."""


@control.command()
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@KEY
@JSON
def propose(kind: str, file: Path, key: str | None, as_json: bool) -> None:
    """Propose a change of KIND, whose object stands in FILE as JSON."""
    found = propose_change(kind, json_of(file), key)
    show(found, as_json=as_json, rows=told(found))


@control.command()
@click.argument("change")
@KEY
@TOTP
def confirm(change: str, key: str | None, totp: bool) -> None:
    """Confirm what somebody else proposed."""
    row = ask("GET", f"/api/v1/controls/{change}/")
    click.echo(json.dumps(row["object"], indent=2, ensure_ascii=False), err=True)
    found = ask("POST", f"/api/v1/controls/{change}/confirm/", {"signature": proof(row["statement"], key, totp=totp)})
    click.echo("\n".join(told(found)))


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


@click.group()
def secret() -> None:
    """Static secrets: sealed here, so that no portal sees them."""


@secret.command("set")
@click.argument("name")
@click.option("--environment", required=True)
@click.option("--file", "source", type=click.File("rb"), help="Where the value stands; else it is asked for.")
@KEY
def set_secret(name: str, environment: str, source: Any, key: str | None) -> None:
    """Seal a value, such as a private key, to the runners of one environment and propose it under NAME."""
    from procedures.domain.sealing import secret_object

    value = source.read() if source else click.prompt("Value", hide_input=True).encode()
    rows = {row["name"]: row["pool_key"] for row in ask("GET", "/api/v1/environments/")["results"]}
    if not rows.get(environment):
        click.echo(f"There is no environment {environment!r}; there are {', '.join(rows)}.", err=True)
        raise SystemExit(FAILED)
    thing = secret_object(environment=environment, name=name, value=value, pool=rows[environment])
    click.echo("\n".join(told(propose_change("secret", dict(thing), key))))
