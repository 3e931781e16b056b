"""`opsportal schedule`: runs that the portal asks for by itself, and what came of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import JSON, KEY, moment, propose_change, told
from opsportal.cli.ahead import approve, rows_of, take_back
from opsportal.cli.portal import ask, show
from procedures.domain.text import visible

REASON = click.option("--reason", required=True)


@click.group()
def schedule() -> None:
    """Runs that the portal asks for by itself."""


def listed(kind: str, procedure: str, *, as_json: bool) -> None:
    found = ask("GET", f"/api/v1/{kind}s/", params={"procedure": procedure})
    rows = [
        f"{r['name']:<24} {r['procedure']:<22} {r['environment']:<14} {r['state']:<8} "
        f"{'next ' + r['next_at'][:16] if r['next_at'] else 'until ' + r['expires_at'][:10]:<24} "
        f"{r['last']['outcome'] if r['last'] else 'nothing yet'}"
        for r in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or [f"No {kind} that you may see."])


def shown(kind: str, name: str, *, as_json: bool) -> None:
    found = ask("GET", f"/api/v1/{kind}s/{name}/")
    rows = [f"{found['procedure']} in {found['environment']} by {found['account']}, set by {found['edited_by']}"]
    rows += [f"{found['state']}{': ' + found['paused_why'] if found['paused_why'] else ''}"]
    rows += [f"POST {found['url']}"] if found["url"] else []
    rows += rows_of(found["pre_approvals"])
    rows += [f"planned    {one['there'][:16].replace('T', ' ')} {one['zone']}" for one in found["planned"]]
    for one in found["history"][:20]:
        run = f"run #{one['run']} {one['state']}" if one["run"] else ""
        run += "".join(f", went on as #{later['run']} {later['state']}" for later in one["went_on"])
        missed = f"{one['missed']} planned before were missed" if one["missed"] else ""
        run = "  ".join(text for text in (run, visible(one["why"]), missed) if text)
        rows.append(f"{one['outcome']:<10} {one['planned_at'][:16].replace('T', ' ')} UTC  {run}")
    if found["repin"]:
        rows.append(f"Another version was accepted; pin it: opsportal {kind} repin {name}")
    show(found, as_json=as_json, rows=rows)


def turned(kind: str, name: str, do: str, reason: str) -> None:
    ask("POST", f"/api/v1/{kind}s/{name}/{do}/", {"reason": reason})
    click.echo("Paused." if do == "pause" else "It asks again from its next planned moment on.")


def ended(kind: str, name: str, reason: str, key: str | None) -> None:
    found = ask("GET", f"/api/v1/{kind}s/{name}/")
    click.echo("\n".join(told(propose_change("standing_end", {**found["end"], "reason": reason}, key))))


def repinned(kind: str, name: str, key: str | None) -> None:
    found = ask("GET", f"/api/v1/{kind}s/{name}/")
    if not found["repin"]:
        click.echo(f"{name} pins the accepted version.")
        return
    click.echo("\n".join(told(propose_change(kind, found["repin"], key))))


def proposed(kind: str, given: dict[str, Any], key: str | None) -> None:
    """Complete what was typed, show what is planned, sign and propose it."""
    made = ask("POST", f"/api/v1/{kind}s/preview/", {"object": given})
    for one in made["planned"]:
        click.echo(f"planned    {one['there'][:16].replace('T', ' ')} {one['zone']}, {one['utc'][:16]} UTC", err=True)
    click.echo("\n".join(told(propose_change(kind, made["object"], key))))


def as_json(text: str) -> Any:
    """JSON, or with @ the file that holds it. Raises a usage error."""
    try:
        return json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    except (OSError, ValueError) as problem:
        raise click.UsageError(f"{text[:60]!r} is no JSON: {problem}") from problem


def until(days: int) -> str:
    return moment(datetime.now(UTC) + timedelta(days=days))


@schedule.command("list")
@click.option("--procedure", default="")
@JSON
def list_schedules(procedure: str, as_json: bool) -> None:
    """Schedules that you may see, those that fire next first."""
    listed("schedule", procedure, as_json=as_json)


@schedule.command("show")
@click.argument("name")
@JSON
def show_schedule(name: str, as_json: bool) -> None:
    """One schedule: what is planned, and what came of it."""
    shown("schedule", name, as_json=as_json)


@schedule.command("next")
@click.argument("name")
@JSON
def next_moments(name: str, as_json: bool) -> None:
    """The next ten planned moments, in the schedule's zone and in UTC."""
    found = ask("GET", f"/api/v1/schedules/{name}/")["planned"]
    rows = [f"{one['there'][:16].replace('T', ' ')} {one['zone']:<20} {one['utc'][:16]} UTC" for one in found]
    show({"planned": found}, as_json=as_json, rows=rows or ["Nothing is planned."])


@schedule.command()
@click.argument("name")
@click.option("--procedure", required=True)
@click.option("--environment", required=True)
@click.option("--account", required=True, help="The service account that asks; yours, unless you operate there.")
@click.option("--cron", default="", help="Five fields, as `30 2 * * mon-fri`.")
@click.option("--zone", default="UTC", show_default=True)
@click.option("--at", default="", help="Once, as 2026-12-24T18:00:00Z.")
@click.option("--after", default="", help="When a run of this procedure has ended there.")
@click.option("--outcome", "outcomes", multiple=True, default=["succeeded"], show_default=True)
@click.option("--parameters", default="{}", help="A JSON object, or @FILE; defaults are filled in and signed.")
@click.option("--target", "targets", multiple=True)
@click.option("--late", type=click.Choice(["skip", "run_once"]), default="skip", show_default=True)
@click.option("--overlap", type=click.Choice(["skip", "queue"]), default="skip", show_default=True)
@click.option("--days", default=90, show_default=True, help="How long it stands, 365 at most.")
@REASON
@KEY
def add(name: str, key: str | None, **typed: Any) -> None:
    """Set a schedule, or set one that is there anew."""
    given = {part: typed[part] for part in ("procedure", "environment", "account", "late", "overlap", "reason")}
    more = {"name": name, "targets": list(typed["targets"]), "parameters": as_json(typed["parameters"])}
    proposed("schedule", {**given, **more, "when": _when(typed), "expires_at": until(typed["days"])}, key)


def _when(typed: dict[str, Any]) -> dict[str, Any]:
    if sum(bool(typed[name]) for name in ("cron", "at", "after")) != 1:
        raise click.UsageError("Say one of --cron, --at and --after.")
    if typed["cron"]:
        return {"cron": typed["cron"], "zone": typed["zone"]}
    if typed["after"]:
        return {"after": typed["after"], "outcomes": list(typed["outcomes"])}
    try:
        return {"at": moment(datetime.fromisoformat(typed["at"]).astimezone(UTC))}
    except ValueError as problem:
        raise click.UsageError(f"--at: {problem}") from problem


@schedule.command()
@click.argument("name")
@REASON
def pause(name: str, reason: str) -> None:
    """From this instant it asks for nothing."""
    turned("schedule", name, "pause", reason)


@schedule.command()
@click.argument("name")
@REASON
def resume(name: str, reason: str) -> None:
    """It asks again, from its next planned moment on."""
    turned("schedule", name, "resume", reason)


@schedule.command()
@click.argument("name")
@REASON
@KEY
def end(name: str, reason: str, key: str | None) -> None:
    """It stands no more; what it asked for goes on."""
    ended("schedule", name, reason, key)


@schedule.command()
@click.argument("name")
@KEY
def repin(name: str, key: str | None) -> None:
    """Propose the change that is prepared: the version that is accepted now."""
    repinned("schedule", name, key)


schedule.add_command(approve)
schedule.add_command(take_back)
