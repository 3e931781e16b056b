"""`opsportal evidence register`: exceptions and registers, on the screen, as CSV or as PDF."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import click

from opsportal.cli.portal import ask, download, show

NAMES = ("exceptions", "reads", "changes", "stops", "erasures", "outages")


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--as-of", help="As the log stood on this day; today's if none.")
@click.option("-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="A .csv or .pdf.")
@click.option("--json", "as_json", is_flag=True)
def register(name: str, as_of: str | None, output: Path | None, as_json: bool) -> None:
    """What happened of one kind, newest first: exceptions, reads, changes of access, stops, erasures, outages."""
    asked = {"as_of": as_of} if as_of else {}
    path = f"/api/v1/evidence/registers/{name}/"
    if output is None:
        found = ask("GET", path + ("?" + urlencode(asked) if asked else ""))
        rows = [f"{one['at'][:19]}  {one['kind']:<22} {one['who']:<12} {one['what']}" for one in found["results"]]
        show(found, as_json=as_json, rows=rows or ["Nothing until then."])
        return
    form = output.suffix.lstrip(".").lower()
    if form not in {"csv", "pdf"}:
        raise click.UsageError("The file's name ends in .csv or .pdf: that says which one you want.")
    size = download("GET", path + "?" + urlencode({**asked, "as": form}), None, output)
    click.echo(f"{output}: {size:,} bytes.")
