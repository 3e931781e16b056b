"""`opsportal test PATH`: a folder's own tests, without a portal.

Each `tests/*.yaml` says parameters, environment and targets, and what is expected: the order of steps, the plan, and
per step an exit status and output. A step that is named under `expect.steps` is run in the sandbox (a script meant for
a host too, which is said); one under `recorded` is answered from there; every other step is planned only.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from opsportal.cli.local import loaded
from opsportal.cli.portal import FAILED
from procedures.trials import case, suite


@click.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def test(path: Path, as_json: bool) -> None:
    """Run a procedure's own tests, without a portal. Ends 1 if one fails or there is none."""
    files, found = loaded(path)
    rows = [suite.result(files, name, found.definition) for name in case.names(files)]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    for row in [] if as_json else rows:
        click.echo(f"{'ok  ' if row['ok'] else 'FAIL'}  {row['test'].removeprefix(case.FOLDER)}: {row['told']}")
    if not rows:
        click.echo(f"{path} has no tests/*.yaml; write one, so that reviewers see what it does.", err=True)
    if not rows or not all(row["ok"] for row in rows):
        raise SystemExit(FAILED)
