"""`opsportal since` and `opsportal comment`: what is not as it was when it went well, and what people say of a run."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.portal import ask, run_id
from opsportal.cli.terminal import told_json


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True)
def since(run: str, as_json: bool) -> None:
    """What changed since this procedure last succeeded there."""
    from procedures.domain.text import visible

    found = ask("GET", f"/api/v1/runs/{run_id(run)}/since/")
    if as_json:
        click.echo(told_json(found))
        return
    last = found["last"]
    if last is None:
        click.echo("No run before it succeeded there.")
        return
    click.echo(f"Last success: #{last['no']} by {visible(last['by'])}, {last['ended_at'][:16].replace('T', ' ')} UTC")
    for row in found["changes"]:
        click.echo(f"  {row['what']}: {visible(row['says'], code=True)}")
    if not found["changes"]:
        click.echo("  Nothing is known to differ.")
    if found["later_unseen"]:
        click.echo("  A later run succeeded too, which you may not see.")


@click.command()
@click.argument("run")
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True)
def comment(run: str, text: str | None, as_json: bool) -> None:
    """What was said of a run; with TEXT say something too: @name tells that person."""
    from procedures.domain.text import visible

    place = f"/api/v1/runs/{run_id(run)}/comments/"
    if text:
        told_of(ask("POST", place, {"body": text}))
    found = ask("GET", place)
    if as_json:
        click.echo(told_json(found))
        return
    for row in found["results"]:
        said = visible(row["body"], code=True).replace("\n", "\n    ")
        quoted = f"“{said}”" if row["by_software"] else said
        click.echo(f"{visible(row['said_by'])}, {row['at'][:16].replace('T', ' ')}: {quoted}")
    if not found["results"]:
        click.echo("Nothing was said.")


def told_of(made: dict[str, Any]) -> None:
    """Say which names in what was said reached nobody."""
    if made["not_told"]:
        names = ", ".join(f"@{name}" for name in made["not_told"])
        click.echo(f"Not told: {names}. Nobody of that name may see it, or more than ten were named.", err=True)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("run")
@click.option("--refuse", is_flag=True, help="Turn the gate down.")
@click.option("--reason", default="")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def answer(run: str, refuse: bool, reason: str, words: tuple[str, ...]) -> None:
    """Give what a run asks for at a gate: opsportal answer RUN --NAME value …"""
    from opsportal.cli.runs import flags

    place = f"/api/v1/runs/{run_id(run)}/"
    if refuse:
        found = ask("POST", f"{place}answer/", {"refuse": True, "reason": reason})
    else:
        asked = ask("GET", place)["asks"]
        if asked is None:
            raise click.UsageError("This run asks for nothing now.")
        found = ask("POST", f"{place}answer/", {"values": flags(list(words), asked["form"])})
    click.echo(f"Run #{found['no']} is {found['state'].replace('_', ' ')}.")
