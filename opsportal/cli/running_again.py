"""`opsportal rerun` and `opsportal continue`: the same again, or on from where it ended."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.portal import ask, run_id
from opsportal.cli.runs import secret, see_through


@click.command()
@click.argument("run")
@click.option("--failed-only", is_flag=True, help="Only on the targets where it went wrong.")
@click.option("--latest", is_flag=True, help="With the version that is accepted today, if it is another.")
@click.option("--reason", default="", help="Why it is run again.")
@click.option("--secret", "secrets", multiple=True, help="NAME=@FILE, or NAME to be asked: none was kept.")
@click.option("--detach", is_flag=True, help="Do not follow.")
@click.option("--wait", "stay", is_flag=True, help="Wait for the approval too.")
@click.option("--json", "as_json", is_flag=True)
def rerun(
    run: str,
    failed_only: bool,
    latest: bool,
    reason: str,
    secrets: tuple[str, ...],
    detach: bool,
    stay: bool,
    as_json: bool,
) -> None:
    """Ask for a run again, with its parameters and on its targets; it is decided and approved anew."""
    data: dict[str, Any] = {"reason": reason, "failed_only": failed_only, "latest": latest}
    data |= {"secrets": dict(map(secret, secrets))} if secrets else {}
    found = ask("POST", f"/api/v1/runs/{run_id(run)}/rerun/", data)
    see_through(found, stay=stay, detach=detach, as_json=as_json)


@click.command(name="continue")
@click.argument("run")
@click.option("--reason", default="", help="Why it goes on.")
@click.option("--detach", is_flag=True, help="Do not follow.")
@click.option("--wait", "stay", is_flag=True, help="Wait for the approval too.")
@click.option("--json", "as_json", is_flag=True)
def go_on(run: str, reason: str, detach: bool, stay: bool, as_json: bool) -> None:
    """Ask for a run that skips what a failed or lost one has done; its approval goes along once, while it lasts."""
    found = ask("POST", f"/api/v1/runs/{run_id(run)}/continue/", {"reason": reason})
    see_through(found, stay=stay, detach=detach, as_json=as_json)
