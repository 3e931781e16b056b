"""What happens to a version after its review: withdrawn, revoked, reviewed again; and a procedure that retires."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.authoring import the_version
from opsportal.cli.portal import ask, show

JSON = click.option("--json", "as_json", is_flag=True)


@click.command()
@click.argument("version", metavar="NAME@DIGEST")
@JSON
def withdraw(version: str, as_json: bool) -> None:
    """Take a version out of review."""
    _told(ask("POST", f"/api/v1/versions/{the_version(version)['id']}/withdraw/", {}), as_json=as_json)


@click.command()
@click.argument("version", metavar="NAME@DIGEST")
@click.option("--reason", required=True, help="Kept as evidence.")
@click.option("--cancel-running", is_flag=True, help="End what waits, and stop what runs.")
@JSON
def revoke(version: str, reason: str, cancel_running: bool, as_json: bool) -> None:
    """Stop an accepted version at once."""
    given = {"reason": reason, "cancel_running": cancel_running}
    _told(ask("POST", f"/api/v1/versions/{the_version(version)['id']}/revoke/", given), as_json=as_json)


@click.command()
@click.argument("version", metavar="NAME@DIGEST")
@click.option("--note", default="", help="Why these bytes are to be accepted again.")
@JSON
def renew(version: str, note: str, as_json: bool) -> None:
    """Put the same bytes into review again, before or after their acceptance has ended."""
    _told(ask("POST", f"/api/v1/versions/{the_version(version)['id']}/resubmit/", {"note": note}), as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="Shown to whoever looks for it, and kept as evidence.")
@click.option("--cancel-running", is_flag=True, help="End what waits, and stop what runs.")
@JSON
def retire(name: str, reason: str, cancel_running: bool, as_json: bool) -> None:
    """Take a procedure out of use; its history stays."""
    found = ask("POST", f"/api/v1/procedures/{name}/retire/", {"reason": reason, "cancel_running": cancel_running})
    rows = [f"{found['procedure']} has retired. An access manager can let the name be submitted again."]
    show(found, as_json=as_json, rows=rows)


@click.command()
@JSON
def due(as_json: bool) -> None:
    """Acceptances that end within 30 days, have ended, or are pinned to what changed since."""
    found = ask("GET", "/api/v1/versions/", params={"due": "1"})
    rows = [
        f"{v['procedure']:<28} v{v['number']:<4} until {v['expires_at'][:10]}  {v['state']:<9} {v['digest'][:19]}…"
        + (f"  pinned to what changed since: {', '.join(v['moved_on'])}" if v["moved_on"] else "")
        for v in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["Nothing is due for review."])


def _told(row: dict[str, Any], *, as_json: bool) -> None:
    show(row, as_json=as_json, rows=[f"{row['procedure']} v{row['number']} is {row['state'].replace('_', ' ')}."])
