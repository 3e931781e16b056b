"""Deputies at the command line, what waits for one, and asking somebody else to decide it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from opsportal.cli.accounts import subject_of
from opsportal.cli.portal import ask, run_id, show

ROOT = "/api/v1/deputies/"
JSON = click.option("--json", "as_json", is_flag=True)
VERBS = ("approve", "review", "manage_access")
DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def deputy() -> None:
    """Who looks at what waits for you while you are away."""


@deputy.command("list")
@JSON
def list_deputies(as_json: bool) -> None:
    """Your deputies, and those for whom you stand in."""
    found = ask("GET", ROOT)
    show(found, as_json=as_json, rows=[_line(row) for row in found["results"]] or ["No deputies."])


@deputy.command()
@click.argument("username")
@click.option("--from", "first", type=DAY, help="The first day, UTC; else now.")
@click.option("--until", "last", type=DAY, required=True, help="The last day, UTC.")
@click.option("--for", "verbs", type=click.Choice(VERBS), multiple=True, help="May repeat; else all that you may.")
@JSON
def name(username: str, first: datetime | None, last: datetime, verbs: tuple[str, ...], as_json: bool) -> None:
    """Name a deputy, who decides by the own rights alone, and has to agree before it counts."""
    wanted: dict[str, Any] = {"deputy": subject_of(username), **({"verbs": list(verbs)} if verbs else {})}
    wanted["until_at"] = _moment(last + timedelta(days=1))
    if first is not None:
        wanted["from_at"] = _moment(first)
    row = ask("POST", ROOT, wanted)
    show(row, as_json=as_json, rows=[_line(row)])


@deputy.command()
@click.argument("deputyship")
@JSON
def agree(deputyship: str, as_json: bool) -> None:
    """Agree to stand in, as the one who was named."""
    row = ask("POST", f"{ROOT}{deputyship}/agree/", {})
    show(row, as_json=as_json, rows=[_line(row)])


@deputy.command()
@click.argument("deputyship")
@JSON
def end(deputyship: str, as_json: bool) -> None:
    """End one now, as the one who is away, or the one who was named and declines by it."""
    row = ask("POST", f"{ROOT}{deputyship}/end/", {})
    show(row, as_json=as_json, rows=[_line(row)])


@click.command()
@JSON
def inbox(as_json: bool) -> None:
    """What waits for your decision, soonest date first."""
    found = ask("GET", "/api/v1/decisions/")
    rows = [line for row in found["results"] for line in _waits(row)]
    show(found, as_json=as_json, rows=rows or ["Nothing waits for you."])


@click.command("pass-on")
@click.argument("what", type=click.Choice(["run", "version", "change", "access_request"]))
@click.argument("about")
@click.argument("username")
@click.option("--reason", required=True, help="Why; shown to whom you ask, and kept as evidence.")
@JSON
def pass_on(what: str, about: str, username: str, reason: str, as_json: bool) -> None:
    """Ask USERNAME, who could decide it too, to decide what waits for you. You can still decide it."""
    pk = run_id(about) if what == "run" else about
    row = ask("POST", f"/api/v1/decisions/{what}/{pk}/", {"to": subject_of(username), "reason": reason})
    show(row, as_json=as_json, rows=[f"{row['to']} is told. You can still decide it yourself."])


def _moment(day: datetime) -> str:
    return day.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _line(row: dict[str, Any]) -> str:
    days = f"{row['from_at'][:16]} until {row['until_at'][:16]}"
    over = "  over" if row["over"] else "" if row["agreed_at"] else f"  {row['deputy']} has not agreed yet"
    return f"{row['id']}  {row['deputy']} for {row['person']}  {','.join(row['verbs'])}  {days}{over}"


def _waits(row: dict[str, Any]) -> list[str]:
    until = f"decide by {row['decide_by'][:16]}" if row["decide_by"] else "no date"
    lines = [f"{row['what']:<14} {row['id']}  {row['title']}, asked for by {row['asked_by']}; {until}"]
    lines += [f"  also for {who}" for who in row["deputy_for"]]
    return lines + [f"  {one['by']} asks you: {one['reason']}" for one in row["passed_on"]]
