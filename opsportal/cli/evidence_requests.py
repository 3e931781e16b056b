"""`opsportal evidence request`: what an auditor asks for again each quarter, and what was given when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from opsportal.cli.portal import ask, download, show

REQUESTS = "/api/v1/evidence/requests/"
LIST = "/api/v1/evidence/populations/"


@click.group()
def request() -> None:
    """Lists that are asked for again: save a filter by a name, then ask each month, quarter or year."""


@request.command()
@click.argument("name")
@click.option("--period", type=click.Choice(["month", "quarter", "year"]), help="Without one: over the whole log.")
@click.option("--procedure")
@click.option("--environment")
@click.option("--requester", help="Runs that this person asked for.")
@click.option("--outcome", help="Runs that ended so, such as failed.")
@click.option("--risk")
def save(name: str, **wanted: str | None) -> None:
    """Save a filter by NAME, such as "PBC-17 changes in production"."""
    made = ask("POST", REQUESTS, {"name": name, **{key: value for key, value in wanted.items() if value}})
    click.echo(f"{made['id']}  saved. Ask for it: opsportal evidence request ask {made['id']}")


@request.command("list")
@click.option("--json", "as_json", is_flag=True)
def listing(as_json: bool) -> None:
    """What is saved, and when each was given last."""
    found = ask("GET", REQUESTS)
    show(found, as_json=as_json, rows=[_line(row) for row in found["results"]] or ["Nothing is saved."])


@request.command("show")
@click.argument("request_id", metavar="REQUEST")
@click.option("--json", "as_json", is_flag=True)
def shown(request_id: str, as_json: bool) -> None:
    """Every answer to REQUEST: period, runs, over how many events, and the SHA-256 of the list."""
    found = ask("GET", f"{REQUESTS}{request_id}/")
    rows = [
        f"{one['at'][:16]}  {one['of'] or 'whole log':<9}  {one['runs']} runs over {one['size']} events  "
        f"{one['sha256']}  {one['by']}"
        for one in found["answers"]
    ]
    show(found, as_json=as_json, rows=[_line(found), *rows])


@request.command("ask")
@click.argument("request_id", metavar="REQUEST")
@click.option("--of", help="The period, such as 2026-Q3, 2026-09 or 2026; the last whole one if none is named.")
@click.option("-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="The whole list as CSV.")
def again(request_id: str, of: str | None, output: Path | None) -> None:
    """Count REQUEST for a period; that it was asked and what was given stands in the log."""
    panel = ask("POST", f"{REQUESTS}{request_id}/ask/", {"of": of} if of else {})["panel"]
    if output is not None:
        words = {**panel["filter"], "size": panel["range"]["end"], "as": "csv"}
        download("GET", LIST + "?" + urlencode(words), None, output)
    click.echo(f"{panel['rows']} runs over {panel['range']['end']} events, SHA-256 {panel['sha256']}")
    click.echo(f"The same file again: {panel['again']}")


@request.command()
@click.argument("request_id", metavar="REQUEST")
def drop(request_id: str) -> None:
    """Ask for REQUEST no more. What was given stays."""
    ask("POST", f"{REQUESTS}{request_id}/drop/", {})
    click.echo("Dropped.")


@click.command()
@click.option("--kind", help="A kind of event or its beginning, such as run.")
@click.option("--procedure")
@click.option("--run", "number", help="The number of a run.")
@click.option("--person", help="Who acted, by user name.")
@click.option("--control", help="What the events support, such as CC8.1, A.8.32, AC-6 or 7.2.4.")
@click.option("--before", help="Go on with the events before this one.")
@click.option("--json", "as_json", is_flag=True)
def events(as_json: bool, **wanted: str | None) -> None:
    """Events of the log, newest first: by kind, procedure, run, person, or the control that they support."""
    asked = {name: value.removeprefix("#") for name, value in wanted.items() if value}
    found = ask("GET", "/api/v1/evidence/events/" + ("?" + urlencode(asked) if asked else ""))
    rows = [f"{one['at'][:19]}  {one['kind']:<24} {one['who']:<12} {one['about']}" for one in found["results"]]
    more = [f"Go on: --before {found['next']}"] if found["next"] else []
    show(found, as_json=as_json, rows=[*rows, *more] or ["No event fits."])


@click.command("record-outage")
@click.option("--environment", required=True)
@click.option("--from", "first", required=True, help="Since when it could not be used, in UTC: 2026-11-26T10:00.")
@click.option("--to", "last", required=True, help="Until when, in UTC.")
@click.option("--cause", required=True, help="Why. It stands in the log for ever.")
@click.option("--could-not", multiple=True, help="What could not run; may repeat.")
@click.option("--act", "acts", multiple=True, nargs=4, metavar="TIME PERSON WHERE WHAT", help="By hand; may repeat.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def record_outage(
    environment: str,
    first: str,
    last: str,
    cause: str,
    could_not: tuple[str, ...],
    acts: tuple[tuple[str, str, str, str], ...],
    key: str | None,
) -> None:
    """Record what could not run and what was done by hand. You sign; somebody else who operates there accepts.

    `opsportal control confirm CHANGE` accepts it. It is then in the register `outages`, and in every pack.
    """
    from opsportal.cli.access import propose_change, told

    people = {one["username"]: one["subject"] for one in ask("GET", "/api/v1/people/")["results"]} if acts else {}
    thing = {
        "environment": environment,
        "from": _utc(first),
        "to": _utc(last),
        "cause": cause,
        "could_not": list(could_not),
        "acts": [
            {"at": _utc(at), "by": people.get(who, who), "on": where, "did": what} for at, who, where, what in acts
        ],
    }
    click.echo("\n".join(told(propose_change("outage", thing, key))))


def _utc(text: str) -> str:
    """A moment as statements write it; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise click.UsageError(f"{text!r} is no moment such as 2026-11-26T10:00.") from problem
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _line(row: dict[str, Any]) -> str:
    wanted = " ".join(f"{name}={value}" for name, value in row["filter"].items()) or "every run"
    last = row["answers"][0]["at"][:10] if row["answers"] else "never"
    state = f"dropped {row['dropped_at'][:10]}" if row["dropped_at"] else f"given {last}"
    return f"{row['id']}  {row['name']}  {wanted}  {row['period'] or 'whole log'}  {state}"
