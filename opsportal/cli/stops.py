"""`opsportal stop` and `opsportal lift`: switches of the portal, an environment or a procedure."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.access import JSON, KEY, propose_change, told
from opsportal.cli.portal import FAILED, ask, show

ENVIRONMENT = click.option("--environment", help="This environment.")
PROCEDURE = click.option("--procedure", help="This procedure, wherever it runs.")


def _place(environment: str | None, procedure: str | None) -> dict[str, str]:
    if environment and procedure:
        raise click.UsageError("Give --environment or --procedure, not both.")
    return ({"environment": environment} if environment else {}) | ({"procedure": procedure} if procedure else {})


@click.command()
@ENVIRONMENT
@PROCEDURE
@click.option("--all", "every", is_flag=True, help="Everything.")
@click.option("--reason", help="Everybody reads it.")
@JSON
def stop(environment: str | None, procedure: str | None, every: bool, reason: str | None, as_json: bool) -> None:
    """Stop an environment, a procedure or everything at once; without any of these: what is stopped."""
    place = _place(environment, procedure)
    if not place and not every:
        found = ask("GET", "/api/v1/stops/")
        rows = [
            f"{row['environment'] or row['procedure'] or 'everything':<24} {row['thrown_by']:<16} "
            f"{row['thrown_at'][:16].replace('T', ' ')}  {row['reason']}"
            for row in found["results"]
        ]
        show(found, as_json=as_json, rows=rows or ["Nothing is stopped."])
        return
    if place and every:
        raise click.UsageError("Give a place or --all, not both.")
    if not reason:
        raise click.UsageError("Say why: --reason.")
    found = ask("POST", "/api/v1/stops/", {**place, "reason": reason})
    show(found, as_json=as_json, rows=["Stopped."])


@click.command()
@ENVIRONMENT
@PROCEDURE
@click.option("--reason", required=True, help="Why it may go on.")
@KEY
@JSON
def lift(environment: str | None, procedure: str | None, reason: str, key: str | None, as_json: bool) -> None:
    """Propose to lift a stop; in production by somebody else than who threw it, signed."""
    place = _place(environment, procedure)
    live = [
        row
        for row in ask("GET", "/api/v1/stops/")["results"]
        if {name: row[name] for name in ("environment", "procedure") if row[name]} == place
    ]
    if not live:
        click.echo(f"{environment or procedure or 'Everything'} is not stopped, as far as you may know.", err=True)
        raise SystemExit(FAILED)
    thing: dict[str, Any] = {"stop": live[0]["id"], "reason": reason, **place}
    found = propose_change("stop_lift", thing, key)
    show(found, as_json=as_json, rows=told(found))
