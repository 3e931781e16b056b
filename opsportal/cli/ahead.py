"""`opsportal schedule approve`: runs approved ahead. The plan's bytes are hashed here before anything is signed."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import click

from opsportal.cli.deciding import tell
from opsportal.cli.portal import FAILED, ask, signed
from opsportal.cli.statements import about
from procedures.domain.text import visible


def offered(name: str, runs: int, days: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the portal offers, the plan of its bytes). Ends 1 if statement, digest and bytes are not of one plan."""
    found = ask("GET", f"/api/v1/schedules/{name}/ahead/", params={"runs": str(runs), "days": str(days)})
    data, value = base64.b64decode(found["bytes"]), found["value"]
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if not digest == found["plan_digest"] == value["plan"] or (value["schedule"], value["runs"]) != (name, runs):
        click.echo("The portal offers a statement over something else; nothing was signed.", err=True)
        raise SystemExit(FAILED)
    return found, json.loads(data)


@click.command()
@click.argument("name")
@click.option("--runs", required=True, type=click.IntRange(1, 2_500), help="How many of its next runs.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 90), help="Until then at most.")
@click.option("--comment", default="")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--yes", is_flag=True)
def approve(name: str, runs: int, days: int, comment: str, key: str | None, yes: bool) -> None:
    """See what each of its next runs would do, and approve so many of them ahead."""
    if key is None:
        raise click.UsageError("What is approved ahead is signed: give --key FILE.")
    found, plan = offered(name, runs, days)
    tell(plan, found["plan_digest"])
    until = found["value"]["not_after"][:16].replace("T", " ")
    if not yes:
        click.confirm(f"Approve {runs} runs of exactly this until {until} UTC?", abort=True)
    body = {"runs": runs, "not_after": found["value"]["not_after"], "plan_digest": found["plan_digest"]}
    bounds = {"schedule": name, "runs": runs, "plan": found["plan_digest"], "not_after": found["value"]["not_after"]}
    body |= {"comment": comment, "signature": signed(about(found, "pre-approval", **bounds), key)}
    made = ask("POST", f"/api/v1/schedules/{name}/ahead/", body)
    click.echo(f"{made['left']} runs of {name} go without asking until {until} UTC.")
    click.echo(f"Taken back at once by: opsportal schedule take-back {name} {made['id']} --reason …", err=True)


@click.command("take-back")
@click.argument("name")
@click.argument("which")
@click.option("--reason", required=True)
def take_back(name: str, which: str, reason: str) -> None:
    """From this instant an approval that was given ahead lets nothing go; WHICH is its id, as `show` tells it."""
    ask("POST", f"/api/v1/schedules/{name}/ahead/{which}/take-back/", {"reason": reason})
    click.echo(f"Taken back: runs of {name} wait for a person again.")


def rows_of(given: list[dict[str, Any]]) -> list[str]:
    """As `schedule show` tells them."""
    return [
        f"approved ahead by {one['approver']}: {one['used']} of {one['runs']} runs, until {one['not_after'][:16]} UTC  "
        f"{one['id']}  {_stands(one)}"
        for one in given
    ]


def _stands(one: dict[str, Any]) -> str:
    return f"counts no more: {visible(one['why_not'])}" if one["why_not"] else f"{one['left']} left"
