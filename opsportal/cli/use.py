"""What was used against what is allowed, and less of it: a manuscript for reviewers, or a smaller grant to sign."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import KEY, propose_change
from opsportal.cli.access import told as changed
from opsportal.cli.portal import FAILED, ask, show

JSON = click.option("--json", "as_json", is_flag=True)
LEAVE_OUT = click.option(
    "--leave-out", "lines", multiple=True, metavar="ID", help="A line that can go; may be repeated."
)


@click.group()
def use() -> None:
    """What procedures and access were seen to be used for."""


@use.command()
@click.argument("name")
@LEAVE_OUT
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the patch is written.")
@JSON
def procedure(name: str, lines: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """What the runs of NAME were seen to use; with --leave-out, begin a version that lacks it."""
    if not lines:
        found = ask("GET", f"/api/v1/procedures/{name}/use/")
        show(found, as_json=as_json, rows=told(found))
        return
    made = ask("POST", f"/api/v1/procedures/{name}/narrow/", {"lines": list(lines)})
    if output is not None:
        output.write_text(made["patch"])
    rows = [made["note"], "", f"Yours alone until it is handed in: {made['url']}"]
    show(made, as_json=as_json, rows=rows + ([f"As a patch for git am: {output}"] if output else []))


@use.command()
@click.argument("grant_id")
@LEAVE_OUT
@KEY
@JSON
def access(grant_id: str, lines: tuple[str, ...], key: str | None, as_json: bool) -> None:
    """What was done under a grant; with --leave-out, propose a smaller one in its place."""
    if not lines:
        found = ask("GET", f"/api/v1/grants/{grant_id}/use/")
        show(found, as_json=as_json, rows=told(found))
        return
    thing = ask("POST", f"/api/v1/grants/{grant_id}/narrower/", {"lines": list(lines)})["object"]
    if thing.get("replaces") != grant_id:
        click.echo("The portal offers something that replaces another access; nothing was signed.", err=True)
        raise SystemExit(FAILED)
    change = propose_change("grant", thing, key)
    show(change, as_json=as_json, rows=changed(change))


def told(found: dict[str, Any]) -> list[str]:
    """A line for each; what can go begins with its id."""
    part = ", of which you may not know all" if found["partial"] else ""
    head = f"{found['runs']} runs since {found['since'][:10]}{part}. Unused is said from {found['floor']} on."
    rows = [
        f"{row['id'] if row['can_go'] else '-':<12}  {row['verdict']:<6}  {row['runs']:>4}  "
        f"{row['kind']} {row['what']}{' of ' + row['step'] if row['step'] else ''}: {row['why']}"
        for row in found["results"]
    ]
    return [head, *rows]
