"""`opsportal runs`, `logs`, `cancel`, `pause` and `resume`: what was asked for before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import ask, run_id, show
from opsportal.cli.runs import finish, follow, tell_marks, tell_waiting
from procedures.domain.canonical import canon
from procedures.evidence.transcripts import TYPE, line


@click.command()
@click.option("--json", "as_json", is_flag=True)
def runs(as_json: bool) -> None:
    """The newest runs you may see."""
    found = ask("GET", "/api/v1/runs/")
    rows = [
        f"#{r['no']:<6} {r['state'].replace('_', ' '):<18} {r['environment']:<12} {r['procedure']:<24} {r['asked_by']}"
        + (f"  ({len(r['not_touched'])} not touched)" if r["not_touched"] else "")
        for r in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No runs yet."])


@click.command()
@click.argument("run")
@click.option("--follow", "stay", is_flag=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; not with --follow.")
@click.option("--signed", type=click.Path(dir_okay=False), help="Into this file, for `verify.py PACK --output FILE`.")
def logs(run: str, stay: bool, as_json: bool, signed: str | None) -> None:
    """The log of a run, and what it waits for if it does."""
    if sum((stay, as_json, signed is not None)) > 1:
        raise click.UsageError("Give one of --follow, --json and --signed.")
    if signed is not None:
        _signed(run_id(run), signed)
        return
    if stay:
        finish(follow(run_id(run)), as_json=False)
        return
    seen: Any = 0
    pk = run_id(run)
    found = ask("GET", f"/api/v1/runs/{pk}/")
    tell_waiting(found)
    tell_marks(found)
    while seen is not None:
        page = ask("GET", f"/api/v1/runs/{pk}/log/", params={"cursor": seen})
        for chunk in page["results"]:
            click.echo(json.dumps(chunk) if as_json else chunk["text"], nl=as_json)
        seen = page["next"]


def _signed(pk: str, path: str) -> None:
    """Every line of each task with what opens the runner's commitment to it (procedures/evidence/transcripts.py)."""
    rows = [row for row in ask("GET", f"/api/v1/runs/{pk}/tasks/")["results"] if "seed" in row]
    if not rows:
        raise click.ClickException("No task of this run signed output that you may read.")
    places = {row["id"]: place for place, row in enumerate(rows)}
    begun = {"type": TYPE, "run": pk, "tasks": [[row["id"], row["seed"]] for row in rows]}
    seen: Any = 0
    with Path(path).open("wb") as file:
        file.write(canon(begun) + b"\n")
        while seen is not None:
            page = ask("GET", f"/api/v1/runs/{pk}/log/", params={"cursor": seen})
            for row in page["results"]:
                if row["task"] in places:
                    file.write(b"%d " % places[row["task"]] + line(row["stream"], row["text"]))
            seen = page["next"]
    click.echo(f"Written to {path}: the output of {len(rows)} tasks.")
    click.echo(f"`python3 verify.py PACK --log-key KEY --output {path}` holds it to what was signed.")


@click.command()
@click.argument("run")
@click.option("--reason", default="")
def cancel(run: str, reason: str) -> None:
    """Stop a run."""
    found = ask("POST", f"/api/v1/runs/{run_id(run)}/cancel/", {"reason": reason})
    click.echo(
        f"Run #{found['no']} is {found['state']}"
        + ("; its runner was told to stop." if found["state"] == "running" else ".")
    )


@click.command()
@click.argument("run")
@click.option("--reason", default="")
def pause(run: str, reason: str) -> None:
    """Have a run stand still before its next step."""
    found = ask("POST", f"/api/v1/runs/{run_id(run)}/pause/", {"reason": reason})
    click.echo(f"Run #{found['no']} is {found['state']}; it stands still before its next step.")


@click.command()
@click.argument("run")
def resume(run: str) -> None:
    """Let a paused run go on."""
    found = ask("POST", f"/api/v1/runs/{run_id(run)}/resume/", {})
    click.echo(f"Run #{found['no']} is {found['state']} and goes on.")
