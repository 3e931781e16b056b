"""`opsportal collector`: where the events of the log are streamed to, as they happen."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.access import JSON, KEY, propose_change, told
from opsportal.cli.portal import ask, show


@click.group()
def collector() -> None:
    """Stream every event of the log, as OCSF, to a collector such as a SIEM."""


@collector.command("set")
@click.argument("name")
@click.argument("url")
@click.option(
    "--from", "start", type=click.Choice(["beginning", "now"]), help="Else a moved one goes on; a new one: now."
)
@KEY
def set_(name: str, url: str, start: str | None, key: str | None) -> None:
    """Propose that NAME gets every event, by POST to URL. A token, if any, lies in a file of the scheduler."""
    thing = {"name": name, "url": url, "action": "set", **({"start": start} if start else {})}
    click.echo("\n".join(told(propose_change("collector", thing, key))))


@collector.command()
@click.argument("name")
@KEY
def end(name: str, key: str | None) -> None:
    """Propose that NAME gets no more events."""
    rows = {row["name"]: row["url"] for row in _rows()}
    if name not in rows:
        raise click.UsageError(f"There is no collector {name}. There are: {', '.join(rows) or 'none'}.")
    click.echo("\n".join(told(propose_change("collector", {"name": name, "url": rows[name], "action": "end"}, key))))


@collector.command("list")
@JSON
def listing(as_json: bool) -> None:
    """Each collector: how far it has the log, and what waits for it since when."""
    rows = _rows()
    show(rows, as_json=as_json, rows=[_line(row) for row in rows] or ["The log is streamed to nobody."])


def _rows() -> list[dict[str, Any]]:
    return list(ask("GET", "/api/v1/evidence/collectors/")["results"])


def _line(row: dict[str, Any]) -> str:
    state = (
        f"GAP: {row['behind']} events wait since {row['waiting_since'][:19]}" if row["gap"] else f"{row['behind']} wait"
    )
    why = f"  {row['problem']} ({row['failures']} times)" if row["problem"] else ""
    return f"{row['name']:<16} {row['url']}  has {row['first']} to {row['sent']}  {state}{why}"
