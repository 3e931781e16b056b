"""Approving and turning down runs: the plan's bytes are hashed here before anything is signed (H21)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import click

from opsportal.cli import receipts
from opsportal.cli.portal import FAILED, TOTP, ask, proof, run_id
from opsportal.cli.statements import about
from procedures.domain.plan_words import lines, short_code
from procedures.domain.text import visible


def plan_of(run: str) -> tuple[str, dict[str, Any]]:
    """(digest, plan) from the plan's own bytes. Ends 1 if the portal names another digest, or it is another run's."""
    found = ask("GET", f"/api/v1/runs/{run}/plan/")
    data = base64.b64decode(found["bytes"])
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    if digest != found["plan_digest"]:
        click.echo("The plan's bytes do not have the digest that the portal names; nothing was signed.", err=True)
        raise SystemExit(FAILED)
    plan: dict[str, Any] = json.loads(data)
    if plan["run"] != run:
        click.echo("The portal shows the plan of another run; nothing was signed.", err=True)
        raise SystemExit(FAILED)
    return digest, plan


def tell(plan: dict[str, Any], digest: str) -> None:
    said = lines(plan)
    click.echo(f"code: {short_code(digest)}")
    click.secho(f"{said['what']}: {said['reason']}", bold=True)
    click.echo(f"parameters: {said['parameters']}")
    click.echo("targets: " + " | ".join(", ".join(batch) for batch in plan["batches"] if batch))
    for alarm in plan["strategy"].get("alarms", []):
        click.echo(f"  alarm: {json.dumps(alarm, ensure_ascii=False)}; then {plan['strategy']['on_alarm']}")
    for name in plan.get("credentials", {}):
        click.echo(f"  right    {said[f'rights/{name}']}")
    for number, step in enumerate(plan["steps"]):
        for place in range(len(step["effects"])):
            click.echo(f"  {step['phase']:<8} {step['id']:<14} {said[f'steps/{number}/{place}']}")
        if step.get("if"):
            click.echo(f"  only if  {visible(said[f'steps/{number}/if'])}")
        for made in step.get("results", []):
            click.echo(f"  secret   {made['name']:<14} {goes(made, plan)}")


def goes(made: dict[str, Any], plan: dict[str, Any]) -> str:
    """Where a secret result will go, as the plan says: its place, or the keys that will open it."""
    if "place" in made:
        return f"goes to {made['deliver']}, {json.dumps(made['place'], ensure_ascii=False)}, with {made['credential']}"
    keys = ", ".join(row["key"] for row in plan.get("recipients", {}).get(made["deliver"], []))
    word = (
        "is picked up once" if made["deliver"] == "once" else f"{made.get('classification', '')}, is kept for readers"
    )
    return f"{word}, encrypted to {keys}"


def decide(run: str, verdict: str, comment: str, key: str | None, *, totp: bool, yes: bool) -> None:
    pk = run_id(run)
    digest, plan = plan_of(pk)
    tell(plan, digest)
    if not yes:
        click.confirm(f"{verdict} the plan with this code?", abort=True)
    asked = ask("GET", f"/api/v1/runs/{pk}/statement/", params={"verdict": verdict})
    statement = about(asked, "approval", run=plan["run"], plan_digest=digest, verdict=verdict)
    found = ask(
        "POST",
        f"/api/v1/runs/{pk}/{verdict}/",
        {"plan_digest": digest, "comment": comment, "signature": proof(statement, key, totp=totp)},
    )
    click.echo(f"Run #{found['no']} is {found['state'].replace('_', ' ')}.")
    receipts.keep(pk)


@click.command()
@click.argument("run")
@click.option("--comment", default="")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@TOTP
@click.option("--yes", is_flag=True)
def approve(run: str, comment: str, key: str | None, totp: bool, yes: bool) -> None:
    """See a run's plan and approve it."""
    decide(run, "approve", comment, key, totp=totp, yes=yes)


@click.command()
@click.argument("run")
@click.option("--reason", required=True)
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@TOTP
@click.option("--yes", is_flag=True)
def reject(run: str, reason: str, key: str | None, totp: bool, yes: bool) -> None:
    """Turn a run down."""
    decide(run, "reject", reason, key, totp=totp, yes=yes)
