"""`opsportal target reconcile`: a host's own log of logins against what was lent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from opsportal.cli.hosts import Login, NotReached, run_on
from opsportal.cli.portal import FAILED, ask, show

WORDS = {
    "logins": "logins",
    "known": "of runs",
    "not_ours": "of other accounts",
    "unsure": "by key without an absolute time",
    "unknown": "that nobody was lent",
}


@click.command()
@click.argument("name")
@click.argument("log", required=False, type=click.File("r", errors="replace"))
@click.option("--as", "who", metavar="USER@HOST", help="Read it there with your own login; root@ its address if empty.")
@click.option("--since", default="-1d", show_default=True, help="How far back to read there, as journalctl takes it.")
@click.option(
    "--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Your key, if not the agent's."
)
@click.option("--json", "as_json", is_flag=True)
def reconcile(name: str, log: Any, who: str | None, since: str, identity: Path | None, as_json: bool) -> None:
    """Hold a host's own log of logins against what was lent; ends 1 if somebody came in with anything else.

    LOG is a file of sshd's log, or - for standard input, best with times as `journalctl -o short-iso` writes them.
    Without it the host is asked.
    """
    text = log.read() if log is not None else _read_there(name, who, since, identity)
    lines = [line for line in text.splitlines() if "Accepted " in line]
    found = ask("POST", f"/api/v1/targets/{name}/logins/", {"log": "\n".join(lines)})
    rows = [f"unknown  {row['line']}\n         → {row['why']}" for row in found["results"]]
    rows.append(", ".join(f"{found[key]} {word}" for key, word in WORDS.items()))
    show(found, as_json=as_json, rows=rows)
    if found["unknown"] or found["unsure"]:
        raise SystemExit(FAILED)


def _read_there(name: str, who: str | None, since: str, identity: Path | None) -> str:
    found = ask("GET", f"/api/v1/targets/{name}/")
    asks = f"journalctl -o short-iso --no-pager --since {shlex.quote(since)} -t sshd -t sshd-session\n"
    try:
        return run_on(found, Login(who or "root", identity), asks).stdout
    except NotReached as problem:
        raise click.ClickException(str(problem)) from problem
