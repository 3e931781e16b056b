"""The discussion of a version on the command line: read it, say something at a line, answer, settle."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.portal import ask
from opsportal.cli.run_talk import told_of
from opsportal.cli.terminal import told_json


def take_part(row: dict[str, Any], act: str, where: str, body: str, *, as_json: bool) -> None:
    """Carry out one act (`on`, `reply`, `resolve`, `reopen`), then show the discussion as it stands."""
    if act in {"on", "reply"} and not body:
        raise click.UsageError("Say what, with --comment TEXT.")
    if act == "on":
        told_of(ask("POST", f"/api/v1/versions/{row['id']}/comments/", {"body": body, **_place(where)}))
    elif act == "reply":
        told_of(ask("POST", f"/api/v1/versions/{row['id']}/comments/", {"body": body, "thread": where}))
    elif act:
        ask("POST", f"/api/v1/threads/{where}/{act}/", {})
    show(row, as_json=as_json)


def show(row: dict[str, Any], *, as_json: bool) -> None:
    """Every thread with its id; what people wrote has nothing hidden in it."""
    from procedures.domain.text import visible

    found = ask("GET", f"/api/v1/versions/{row['id']}/comments/")
    threads = found["results"]
    if as_json:
        click.echo(told_json(found))
        return
    for thread in threads:
        then = thread["said_of"]
        line = f":{then['line']}" if then["line"] else ""
        place = f"{thread['path']}{line}" if thread["path"] else "the whole version"
        mark = "open" if thread["open"] else f"settled by {thread['resolved_by']}"
        click.secho(f"{visible(place, code=True)}  {mark}  {thread['thread']}", bold=True)
        if thread["carried"]:
            now = f", now line {thread['line']}" if thread["line"] else ""
            click.echo(f"  from v{then['version']}, line then said: {visible(then['text'], code=True)}{now}")
        for one in thread["comments"]:
            said = visible(one["body"], code=True).replace("\n", "\n    ")
            click.echo(f"  {one['author']}, {one['at'][:16].replace('T', ' ')}: {said}")
    if not threads:
        click.echo("Nothing was said.")


def _place(text: str) -> dict[str, Any]:
    path, _, line = text.rpartition(":")
    return {"path": path, "line": int(line)} if path and line.isascii() and line.isdigit() else {"path": text}
