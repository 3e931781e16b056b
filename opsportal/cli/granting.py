"""Giving access: what it would allow first, then the proposal; labels and longest terms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import JSON, KEY, access, moment, propose_change, told
from opsportal.cli.portal import FAILED, ask, json_of, show

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@access.command()
@click.argument("principal")
@click.argument("verbs", nargs=-1, required=True)
@click.option("--procedure", help="One procedure; without it and without labels every one.")
@click.option("--label", "labels", multiple=True, help="Procedures that carry this label; repeat for several.")
@click.option("--grows", is_flag=True, help="What is labelled later joins.")
@click.option("--environment", "environments", multiple=True)
@click.option(
    "--constraint", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON Schema in a file."
)
@click.option("--unconstrained", multiple=True, help="A file or secret that may hold anything.")
@click.option("--targets", help="A filter that every target must match.")
@click.option("--hours", help="Days and hours, such as mon-fri 09:00-17:00.")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of --hours.")
@click.option(
    "--about-from", type=click.DateTime(["%Y-%m-%d"]), help="With audit alone: runs asked for since this day."
)
@click.option("--about-to", type=click.DateTime(["%Y-%m-%d"]), help="And until the end of this day (UTC).")
@click.option("--from", "begins", type=click.DateTime(["%Y-%m-%d"]), help="First day (UTC); else now.")
@click.option("--days", default=30, show_default=True)
@click.option("--reason", required=True)
@click.option("--dry-run", is_flag=True, help="Show what it would allow, and propose nothing.")
@KEY
@JSON
def grant(principal: str, verbs: tuple[str, ...], dry_run: bool, key: str | None, as_json: bool, **given: Any) -> None:
    """Give PRINCIPAL (person:NAME or group:NAME) verbs, for some days."""
    kind, _, name = principal.partition(":")
    thing: dict[str, Any] = {"principal": principal, "verbs": list(verbs), **narrowed(given)}
    if dry_run:
        found = ask("POST", "/api/v1/grants/preview/", thing)
        show(found, as_json=as_json, rows=allows(found))
        return
    if kind == "person":
        people = {p["username"]: p["subject"] for p in ask("GET", "/api/v1/people/")["results"]}
        thing["principal"] = f"person:{people.get(name, name)}"
    found = propose_change("grant", thing, key)
    show(found, as_json=as_json, rows=told(found))


def narrowed(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a grant as its object has them."""
    begins = given["begins"].replace(tzinfo=UTC) if given["begins"] else datetime.now(UTC)
    thing = {
        "environments": list(given["environments"]),
        "not_before": moment(begins),
        "expires_at": moment(begins + timedelta(days=given["days"])),
        "reason": given["reason"],
    }
    more = {
        "procedure": given["procedure"],
        "selector": list(given["labels"]),
        "grows": given["grows"],
        "constraint": json_of(given["constraint"]) if given["constraint"] else None,
        "unconstrained": list(given["unconstrained"]),
        "target_filter": given["targets"],
        "period": period(given.get("about_from"), given.get("about_to")),
        "window": window(given["hours"], given["zone"]) if given["hours"] else None,
    }
    return thing | {name: value for name, value in more.items() if value}


def period(first: datetime | None, last: datetime | None) -> dict[str, str] | None:
    """Which runs an engagement is about, by whole days; both ends or neither."""
    if first is None and last is None:
        return None
    if first is None or last is None:
        click.echo("An engagement is about runs from a day to a day: give --about-from and --about-to.", err=True)
        raise SystemExit(FAILED)
    ends = last.replace(tzinfo=UTC) + timedelta(days=1, microseconds=-1)
    return {"from": moment(first.replace(tzinfo=UTC)), "to": moment(ends)}


def window(hours: str, zone: str) -> dict[str, Any]:
    """`mon-fri 09:00-17:00` or `sat,sun 22:00-06:00`."""
    days, _, times = hours.strip().rpartition(" ")
    begins, dash, ends = times.partition("-")
    chosen = [day for part in (days or "mon-sun").lower().split(",") for day in _days(part.strip())]
    if not dash or None in chosen:
        click.echo(f"{hours!r} is not days and hours like 'mon-fri 09:00-17:00'.", err=True)
        raise SystemExit(FAILED)
    return {"days": [day for day in DAYS if day in chosen], "from": begins, "until": ends, "zone": zone}


def _days(part: str) -> list[str | None]:
    first, _, last = part.partition("-")
    if first not in DAYS or (last and last not in DAYS):
        return [None]
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return [DAYS[n % 7] for n in range(begin, end + 1 if end >= begin else end + 8)]


def allows(found: dict[str, Any]) -> list[str]:
    """What a grant would allow, as lines."""
    procedures, people, targets = found["procedures"], found["people"], found["targets"]
    every = "every procedure, " if procedures["every"] else ""
    later = ", and what is labelled later" if procedures["grows"] else ""
    return [
        f"procedures  {every}today {procedures['count']}: {', '.join(procedures['names']) or 'none'}{later}",
        f"people      {people['count']}: {', '.join(people['usernames']) or 'nobody'}",
        f"targets     {targets['count']}: {', '.join(t['name'] for t in targets['matching']) or 'none'}",
        *(f"held        {','.join(g['verbs'])} by {g['id']} until {g['expires_at'][:10]}" for g in found["held"]),
        "Nothing was proposed.",
    ]


@access.command()
@click.argument("procedure")
@click.argument("labels", nargs=-1)
@KEY
@JSON
def label(procedure: str, labels: tuple[str, ...], key: str | None, as_json: bool) -> None:
    """Let PROCEDURE carry exactly these labels from now on; without any, none."""
    found = propose_change("labels", {"procedure": procedure, "labels": sorted(set(labels))}, key)
    show(found, as_json=as_json, rows=told(found))
