"""Agents: make one, list them, stop one or all, and hand out a token."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.access import JSON, KEY, propose_change, told
from opsportal.cli.portal import FAILED, ask, show
from procedures.domain.software import MAY

ALL = click.option("--all", "every", is_flag=True, help="Every agent.")
REASON = click.option("--reason", required=True)


@click.group()
def agent() -> None:
    """Software that asks for a person."""


@agent.command("list")
@JSON
def list_agents(as_json: bool) -> None:
    """Agents that you may see, with what they spent of their hour."""
    found = ask("GET", "/api/v1/agents/")
    rows = [
        f"{a['username']:<24} for {a['owner'] or '–':<16} "
        f"{a['asked_within_an_hour']:>3} of {a['runs_an_hour']} an hour  "
        f"{'stopped' if a['stopped_at'] else 'active' if a['active'] else 'closed'}"
        for a in found["results"]
    ]
    show(found, as_json=as_json, rows=(["All agents are stopped."] if found["all_stopped"] else []) + rows)


@agent.command()
@click.argument("username")
@click.option("--name", required=True)
@click.option("--owner", required=True, help="The person for whom it asks.")
@click.option("--runs-an-hour", default=10, show_default=True)
@KEY
@JSON
def make(username: str, name: str, owner: str, runs_an_hour: int, key: str | None, as_json: bool) -> None:
    """Make an agent without any right, or change the budget or owner of one."""
    from procedures.domain.ids import uuid7

    people = {p["username"]: p["subject"] for p in ask("GET", "/api/v1/people/")["results"]}
    if owner not in people:
        click.echo(f"There is no person {owner!r}.", err=True)
        raise SystemExit(FAILED)
    thing: dict[str, Any] = {"agent": people.get(username, str(uuid7())), "username": username, "name": name}
    thing |= {"owner": people[owner], "runs_an_hour": runs_an_hour}
    found = propose_change("agent", thing, key)
    show(found, as_json=as_json, rows=told(found))


@agent.command()
@click.argument("username", required=False)
@ALL
@REASON
def stop(username: str | None, every: bool, reason: str) -> None:
    """Stop an agent, or with --all every one, at once: what it asked for ends too."""
    ask("POST", f"/api/v1/agents/{_subject(username, every=every)}/stop/", {"reason": reason})
    click.echo("Stopped.")


@agent.command()
@click.argument("username", required=False)
@ALL
@REASON
def start(username: str | None, every: bool, reason: str) -> None:
    """Let a stopped agent, or with --all every one, ask again."""
    ask("POST", f"/api/v1/agents/{_subject(username, every=every)}/start/", {"reason": reason})
    click.echo("Started.")


@agent.command()
@click.argument("username")
@click.option("--name", required=True, help="What it is for.")
@click.option("--days", default=30, show_default=True)
@click.option("--audience", type=click.Choice(["mcp", "api"]), default="mcp", show_default=True)
def token(username: str, name: str, days: int, audience: str) -> None:
    """A token of your agent, shown once, for one door."""
    given = {"name": name, "days": days, "audience": audience, "of": _subject(username, every=False)}
    click.echo(ask("POST", "/api/v1/tokens/", {**given, "verbs": list(MAY)})["token"])


def _subject(username: str | None, *, every: bool) -> str:
    if every:
        return "all"
    known = {a["username"]: a["agent"] for a in ask("GET", "/api/v1/agents/")["results"]}
    if username not in known:
        click.echo(f"There is no agent {username!r} that you may see; name one, or say --all.", err=True)
        raise SystemExit(FAILED)
    return str(known[username])
