"""Who may do what: grants, other control objects and people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access_requests import COMMANDS
from opsportal.cli.answers import drift, report, separation
from opsportal.cli.campaigns import campaign
from opsportal.cli.portal import DENIED, FAILED, TOTP, ask, json_of, proof, show, signed
from opsportal.cli.spaces import spaces
from opsportal.cli.statements import about

KEY = click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
JSON = click.option("--json", "as_json", is_flag=True)


def moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def propose_change(kind: str, thing: dict[str, Any], key: str | None, *, shown: bool = True) -> dict[str, Any]:
    signature = None
    if key is not None:
        asked = ask("POST", "/api/v1/controls/statement/", {"control": kind, "object": thing})
        if shown:
            click.echo(json.dumps(asked["value"], indent=2, ensure_ascii=False), err=True)
        signature = signed(about(asked, "control", control=kind, object=thing), key)
    found: dict[str, Any] = ask("POST", "/api/v1/controls/", {"control": kind, "object": thing, "signature": signature})
    return found


def told(found: dict[str, Any]) -> list[str]:
    rest = (
        ""
        if found["state"] == "confirmed"
        else f"; another person confirms it: opsportal control confirm {found['id']}"
    )
    return [f"{found['control']} is {found['state']}{rest}"]


def confirm_with(ids: list[str], kind: str) -> str:
    """What another person types so that several changes take effect; empty if there are none."""
    if not ids:
        return ""
    which = " ".join(ids) if len(ids) < 4 else f"$(opsportal control waiting --kind {kind} --ids)"
    return f"\nAnother person confirms them: opsportal control confirm {which}"


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
@click.option("--kind", default="", help="Only changes of this kind, such as target.")
@click.option("--ids", is_flag=True, help="The ids alone, to be handed to `control confirm`.")
@JSON
def waiting(kind: str, ids: bool, as_json: bool) -> None:
    """Changes that were proposed and wait for another person."""
    rows = [row for row in ask("GET", "/api/v1/controls/")["results"] if row["state"] == "proposed"]
    rows = [row for row in rows if kind in {"", row["control"]}]
    lines = [row["id"] if ids else f"{row['id']}  {row['control']:<12} {brief(row['object'])}" for row in rows]
    show({"results": rows}, as_json=as_json, rows=lines or ([] if ids else ["Nothing waits."]))


def brief(thing: dict[str, Any]) -> str:
    """A change's object in one line; a host key as its fingerprint, as people compare it."""
    from procedures.domain.sshkeys import target_fingerprint

    hidden = {"ciphertext"} if "fingerprint" in thing else set()
    rows = {k: v for k, v in thing.items() if k not in hidden and (k, v) != ("action", "set") and v != {}}
    if "host_key" in rows:
        rows["host_key"] = target_fingerprint(str(rows["host_key"]))
    return " ".join(
        f"{k}={json.dumps(v, ensure_ascii=False) if isinstance(v, dict | list) else v}" for k, v in rows.items()
    )


@control.command()
@click.argument("changes", metavar="CHANGE…", nargs=-1, required=True)
@KEY
@TOTP
@click.option("--yes", is_flag=True, help="With several: do not ask once more.")
def confirm(changes: tuple[str, ...], key: str | None, totp: bool, yes: bool) -> None:
    """Confirm what somebody else proposed: one change, or several after one look at all of them."""
    rows = [ask("GET", f"/api/v1/controls/{change}/") for change in changes]
    statements = [about(row, "control", control=row["control"], object=row["object"]) for row in rows]
    if len(rows) == 1:
        click.echo(rows[0]["control"], err=True)
        click.echo(json.dumps(rows[0]["object"], indent=2, ensure_ascii=False), err=True)
    for row in rows if len(rows) > 1 else []:
        click.echo(f"{row['control']:<12} {brief(row['object'])}", err=True)
    if len(rows) > 1 and not yes:
        click.confirm(f"Confirm these {len(rows)} changes?", abort=True, err=True)
    refused = 0
    for row, statement in zip(rows, statements, strict=True):
        given = {"signature": proof(statement, key, totp=totp)}
        try:
            found = ask("POST", f"/api/v1/controls/{row['id']}/confirm/", given)
        except SystemExit as ended:
            if len(rows) == 1 or ended.code == DENIED:
                raise
            refused += 1
            continue
        click.echo(
            "\n".join(told(found))
            if len(rows) == 1
            else f"{found['state']}  {row['control']} {row['object'].get('name', row['id'])}"
        )
    if refused:
        click.echo(f"{refused} of {len(rows)} were not confirmed; the portal said why above.", err=True)
        raise SystemExit(FAILED)
