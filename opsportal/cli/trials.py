"""`opsportal test PATH`: a folder's own tests, without a portal.

Each `tests/*.yaml` says parameters, environment and targets, and what is expected: the order of steps, the plan, and
per step an exit status and output. A step that is named under `expect.steps` is run in the sandbox (a script meant for
a host too, which is said); one under `recorded` is answered from there; every other step is planned only. With
`--against` the SSH steps of a target that is named there run on a real host instead.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import click

from opsportal.cli.local import loaded
from opsportal.cli.portal import FAILED, USAGE
from procedures.domain.errors import OpsError
from procedures.trials import case, suite
from procedures.trials.play import Way
from procedures.trials.walk import Walk

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--against", metavar="NAME=USER@HOST[:PORT]", multiple=True, help="A real host for a target; repeatable.")
@click.option("--key", type=FILE, help="Your SSH key for these hosts; a .pub asks the agent.")
@click.option("--known-hosts", type=FILE, help="Where their keys are known; ~/.ssh/known_hosts if left out.")
@click.option("--json", "as_json", is_flag=True)
def test(path: Path, against: tuple[str, ...], key: Path | None, known_hosts: Path | None, as_json: bool) -> None:
    """Run a procedure's own tests, without a portal. Ends 1 if one fails or there is none."""
    files, found = loaded(path)
    walk = _way(files, against, key, known_hosts)
    rows = [suite.result(files, name, found.definition, walk) for name in case.names(files)]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    for row in [] if as_json else rows:
        click.echo(f"{'ok  ' if row['ok'] else 'FAIL'}  {row['test'].removeprefix(case.FOLDER)}: {row['told']}")
    if not rows:
        click.echo(f"{path} has no tests/*.yaml; write one, so that reviewers see what it does.", err=True)
    if not rows or not all(row["ok"] for row in rows):
        raise SystemExit(FAILED)


def _way(files: Mapping[str, bytes], given: tuple[str, ...], key: Path | None, known_hosts: Path | None) -> Way:
    """How the tests are walked through. Ends 2 for what cannot be meant, 1 for a host that cannot be entered."""
    if not given:
        if key or known_hosts:
            raise click.UsageError("--key and --known-hosts go with --against alone.")
        return Walk
    if key is None:
        raise click.UsageError("--against needs --key FILE: your SSH key for these hosts; a .pub asks the agent.")
    from opsportal.cli import against

    place = known_hosts or Path.home() / ".ssh" / "known_hosts"
    known = place.read_text(errors="replace") if place.exists() else ""
    try:
        hosts = against.hosts_of(given, key, _targets(files))
    except against.NoHost as problem:
        click.echo(f"{problem.message} {problem.next_step}", err=True)
        raise SystemExit(USAGE) from problem
    try:
        hosts = {name: host.pinned(known) for name, host in hosts.items()}
        for host in hosts.values():
            host.enter()
    except OpsError as problem:
        click.echo(f"{problem.message} {problem.next_step} Nothing was run.", err=True)
        raise SystemExit(FAILED) from problem
    told = f"Real hosts: {', '.join(map(str, hosts.values()))}. No approval, no evidence; with your own rights there."
    click.secho(told, err=True, bold=True)
    return functools.partial(against.OnHosts, hosts=hosts)


def _targets(files: Mapping[str, bytes]) -> list[str]:
    """The names of targets that readable tests give; one that is not readable is told when it is its turn."""
    found: list[str] = []
    for name in case.names(files):
        try:
            said = case.case(name, files[name]).said
        except case.Wrong:
            continue
        found += [target["name"] for target in said.get("targets") or []]
    return list(dict.fromkeys(found))
