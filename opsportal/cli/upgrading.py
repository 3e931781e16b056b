"""`opsportal target upgrade`: hosts go to a higher level of trust, each by its next step; the lower works till then."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import click

from opsportal.cli import onboarding
from opsportal.cli.access import confirm_with, propose_change
from opsportal.cli.hosts import Login, NotReached, chosen, on_each, run_on
from opsportal.cli.portal import DENIED, FAILED, show
from opsportal.cli.target_hosts import CHOICE, HOST_OPTIONS, LOGIN_OPTIONS, looked, needs, options, well
from opsportal.cli.target_import import counted
from procedures.domain.trust import LEVELS, weaker


@dataclass(slots=True)
class Step:
    """How far one host is: `state` done, closed, prepared, waits, or failed; `said` what is to be known or done."""

    target: str
    state: str
    said: str = ""
    change: str = ""


@click.command()
@options(CHOICE)
@click.option("--to", "level", type=click.Choice(LEVELS[1:]), default="certificate", show_default=True)
@options(HOST_OPTIONS, LOGIN_OPTIONS)
@click.option("--key", help="SSH key file to sign the change of trust with; a .pub asks the agent.")
@click.option("--json", "as_json", is_flag=True)
def upgrade(
    names: tuple[str, ...], environment: str, matching: str, level: str, key: str | None, as_json: bool, **given: Any
) -> None:
    """Take hosts to a higher level of trust, by the next step of each; call it again until all are done.

    First the host lets the higher level in beside the lower one, is checked, and the change of its trust is proposed.
    Once a run has got through at the higher level, the lower one is closed. Ends 1 if a host failed.
    """
    found = chosen(names, environment, matching)
    need, login = needs(level, given), Login(given["who"], given["identity"])
    if any(weaker(level, row["trust"]) for row in found):
        raise click.UsageError(f"Some of these are above {level} already; --filter or name the others.")

    def host(row: dict[str, Any]) -> Step:
        here, proved = row["trust"] == level, row["proved_at"] is not None
        open_ = replace(need(row), closed=False)
        if here and not proved and well(looked(row, open_, login)):
            return Step(row["name"], "waits", "no run has got through at this level yet: run a procedure on it")
        return _on_host(row, replace(open_, closed=here and proved), login)

    steps = on_each(found, host)
    for row, step in zip(found, steps, strict=True):
        if step.state == "prepared" and row["trust"] != level:
            _propose(row, step, level, key)
    rows = [f"{one.state:<9} {one.target:<28} {one.said}".rstrip() for one in steps]
    show({"results": [asdict(one) for one in steps]}, as_json=as_json, rows=rows)
    if not as_json:
        click.echo(
            counted(one.state for one in steps) + confirm_with([one.change for one in steps if one.change], "target")
        )
    if any(one.state == "failed" for one in steps):
        raise SystemExit(FAILED)


def _on_host(row: dict[str, Any], need: onboarding.Need, login: Login) -> Step:
    """The script of this step runs there, and what it left is looked at."""
    try:
        done = run_on(row, login, onboarding.script(need))
    except NotReached as problem:
        return Step(row["name"], "failed", str(problem))
    said = done.stderr.strip().rpartition("\n")[2].removeprefix("opsportal: ")
    if done.returncode:
        return Step(row["name"], "failed", said or f"the script ended {done.returncode}; nothing was changed")
    lines = looked(row, need, login)
    if not well(lines):
        bad = next(one for one in lines if one.state not in {"ok", "later"})
        return Step(row["name"], "failed", f"{bad.what}: {bad.state}; {bad.next_step}")
    if not need.closed:
        return Step(row["name"], "prepared", f"{need.level} is let in beside what was")
    return Step(row["name"], "done", f"{need.level} alone is let in as {need.account}")


def _propose(row: dict[str, Any], step: Step, level: str, key: str | None) -> None:
    """The change of the host's trust, with everything else as its last confirmed change has it."""
    last: dict[str, Any] = row["changes"][0]["object"]
    try:
        found = propose_change("target", {**last, "trust": level}, key, shown=False)
    except SystemExit as ended:
        if ended.code == DENIED:
            raise
        step.state, step.said = "failed", "the host is prepared, and the portal refused the change as it said above"
        return
    if found["state"] == "confirmed":
        step.said = f"trust is {level} now: run a procedure on it, then upgrade again closes the lower level"
    else:
        step.said, step.change = "its trust stays as it is until the change is confirmed", found["id"]
