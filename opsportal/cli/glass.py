"""Break-glass on the command line: break it with a signature, see the register, review a use."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.deciding import plan_of, tell
from opsportal.cli.portal import ask, run_id, show, signed
from opsportal.cli.statements import about
from procedures.domain.text import visible


def break_it(run: str, reason: str, key: str | None, *, yes: bool) -> dict[str, Any]:
    """Show the plan, sign the statement over it, hand it in."""
    if key is None:
        raise click.UsageError("Break-glass is signed: give --key FILE.")
    digest, plan = plan_of(run)
    tell(plan, digest)
    if not yes:
        click.confirm("Break the glass for the plan with this code? Security is told at once", abort=True, err=True)
    asked = ask("GET", f"/api/v1/runs/{run}/break-glass/", params={"reason": reason})
    statement = about(asked, "break-glass", plan_digest=digest, run=plan["run"], reason=reason)
    body = {"plan_digest": digest, "reason": reason, "signature": signed(statement, key)}
    found: dict[str, Any] = ask("POST", f"/api/v1/runs/{run}/break-glass/", body)
    click.echo(f"Run #{found['no']} goes ahead without {' and '.join(found['skips'])}; security was told.", err=True)
    return found


@click.group("break-glass")
def break_glass() -> None:
    """Let a run go ahead unapproved in an emergency; see and review such runs."""


@break_glass.command("use")
@click.argument("run")
@click.option("--reason", required=True)
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--yes", is_flag=True)
def use(run: str, reason: str, key: str | None, yes: bool) -> None:
    """Break the glass for a run that waits."""
    break_it(run_id(run), reason, key, yes=yes)


@break_glass.command("list")
@click.option("--json", "as_json", is_flag=True)
def listing(as_json: bool) -> None:
    """The register, newest first."""
    found = ask("GET", "/api/v1/break-glass/")
    rows = [
        f"{row['id']}  #{row['no']} {row['procedure']} in {row['environment']}  {row['person']}  {row['at']}  "
        f"{row['verdict'] or 'NOT REVIEWED'}  {visible(row['reason'])[:80]}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows)


@break_glass.command("review")
@click.argument("which")
@click.option("--verdict", type=click.Choice(["justified", "unjustified"]), required=True)
@click.option("--comment", required=True)
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
def review(which: str, verdict: str, comment: str, key: str | None) -> None:
    """Say whether the glass was broken with good reason; WHICH is an id of the register."""
    if key is None:
        raise click.UsageError("The review is signed: give --key FILE.")
    said = {"verdict": verdict, "comment": comment}
    asked = ask("GET", f"/api/v1/break-glass/{which}/review/", params=said)
    statement = about(asked, "break-glass-review", use=which, **said)
    ask("POST", f"/api/v1/break-glass/{which}/review/", {**said, "signature": signed(statement, key)})
    click.echo(f"Found {verdict}.")
