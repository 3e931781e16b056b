"""Notices at the command line: what one was told, and that one has read it."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.portal import ask, show

ROOT = "/api/v1/notices/"
JSON = click.option("--json", "as_json", is_flag=True)


@click.group()
def notices() -> None:
    """What you were told."""


@notices.command("list")
@click.option("--unread", is_flag=True, help="Only what you have not read.")
@JSON
def list_notices(unread: bool, as_json: bool) -> None:
    """Your notices, newest first, fifty at most."""
    found = ask("GET", ROOT, params={"unread": "1"} if unread else {})
    show(found, as_json=as_json, rows=[_line(one) for one in found["results"]] or ["You were told nothing."])


@notices.command()
@click.argument("notice", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that stands unread now.")
@JSON
def read(notice: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Mark notices as read, by their ids or all of them."""
    if bool(notice) == every:
        raise click.UsageError("Name notices, or give --all.")
    count = _read_all() if every else ask("POST", f"{ROOT}read/", {"notices": list(notice)})["read"]
    show({"read": count}, as_json=as_json, rows=[f"{count} marked as read."])


def _read_all() -> int:
    count, more = 0, "?unread=1"
    while more:
        page = ask("GET", ROOT + more)
        if page["results"]:
            count += ask("POST", f"{ROOT}read/", {"notices": [one["id"] for one in page["results"]]})["read"]
        more = page["next"]
    return count


def _line(one: dict[str, Any]) -> str:
    says = one["says"].replace("\n", " ")
    return f"{one['id']}  {one['at'][:16]}  {'read' if one['read_at'] else 'new ':<4}  {says}  {one['url']}"
