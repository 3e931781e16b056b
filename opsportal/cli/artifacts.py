"""Files that a run made: listed by hash, and fetched to keep, each compared with its hash."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask, run_id, show

SAFE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


@click.command()
@click.argument("run")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="A folder to put them into.")
@click.option("--json", "as_json", is_flag=True)
def artifacts(run: str, output: Path | None, as_json: bool) -> None:
    """The files that a run made; with --output also their bytes. A download is on the record."""
    run = run_id(run)
    found = ask("GET", f"/api/v1/runs/{run}/artifacts/")["results"]
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for row in found:
            if not row["erased_at"]:
                row["path"] = str(fetched(run, row, output))
    lines = [f"{row['sha256']}  {row['bytes']:>10}  {row.get('path') or row['name']}" for row in found]
    show(found, as_json=as_json, rows=lines or ["This run made no files that are kept."])


def fetched(run: str, row: dict[str, Any], folder: Path) -> Path:
    """Fetch one file and compare it with its hash; an existing file is never written over."""
    if not SAFE.match(row["name"]):
        raise click.ClickException(f"The portal names a file {row['name']!r}, which is no plain name.")
    data = ask("GET", f"/api/v1/runs/{run}/artifacts/{row['id']}/")
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        click.echo(f"{row['name']} is not the file whose hash the portal told.", err=True)
        raise SystemExit(FAILED)
    parts = [row["step"].replace("/", "."), row["target"].replace(" ", "-")]
    label = ".".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in parts if part)
    path = folder / f"{label}.{row['attempt']}.{row['name']}"
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as problem:
        raise click.ClickException(f"{path} is there already.") from problem
    return path
