"""A witness for logs of other people: a process of its own, which needs neither a portal nor a database."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

FOLDER = click.Path(file_okay=False, path_type=Path)
DATA = click.option("--data", type=FOLDER, required=True, help="The witness's own folder: key and memory.")


@click.group(invoke_without_command=True)
@click.option("--data", type=FOLDER, help="The witness's own folder: key and memory.")
@click.option("--listen", default="127.0.0.1:8300", show_default=True, help="Address:port; put TLS in front.")
@click.option("--log", "logs", multiple=True, help="ORIGIN=KEY, KEY, or a file of such lines; may repeat.")
@click.option(
    "--turns", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Changes of a log's key, signed."
)
@click.option("--wait", is_flag=True, help="Wait for the files that --log names.")
@click.pass_context
def witness(
    ctx: click.Context, data: Path | None, listen: str, logs: tuple[str, ...], turns: Path | None, wait: bool
) -> None:
    """Cosign checkpoints of logs that only ever grow (C2SP tlog-witness). Begin with `opsportal witness init`.

    Run it in other hands than the portal's: security, an auditor, a customer.
    """
    if ctx.invoked_subcommand is not None:
        return
    if data is None or not logs:
        raise click.UsageError("Give --data and at least one --log.")
    from opsportal import alive
    from procedures.evidence import witness_home

    def live() -> None:
        alive.touch(os.environ.get("OPSPORTAL_ALIVE_FILE", ""))

    files = [Path(one) for one in logs if "+" not in one] if wait else []
    while any(not file.exists() or not file.stat().st_size for file in files):
        live()
        time.sleep(0.5)
    known = witness_home.turns_of(turns) if turns else None
    witness_home.serve(data, _address(listen), witness_home.logs_of(logs), live, known)


@witness.command()
@DATA
@click.option("--name", required=True, help="Such as security.example.com/witness; it stands in every cosignature.")
@click.option("--url", help="Where the portal reaches it; with --policy.")
@click.option(
    "--policy", type=click.Path(dir_okay=False, path_type=Path), help="Write a policy for the portal here, once."
)
def init(data: Path, name: str, url: str | None, policy: Path | None) -> None:
    """Make the witness's key and memory, once, and print the verifier key that others trust."""
    from procedures.evidence import witness_home

    verifier = witness_home.make(data, name)
    if policy is not None and not policy.exists():  # what somebody wrote since is not written over
        policy.write_text(f"witness w1 {verifier.text}{f' {url}' if url else ''}\nquorum w1\n")
        policy.chmod(0o644)
    click.echo(verifier.text)


@witness.command()
@DATA
def show(data: Path) -> None:
    """What the witness saw last of each log. Ends 1 if a log forked: both signed checkpoints are printed."""
    from procedures.evidence import witness_home
    from procedures.evidence.witness_memory import Memory

    click.echo(witness_home.load(data).verifier.text)
    memory = Memory(data)
    for seen in memory.all():
        click.echo(f"{seen.origin}: {seen.size} events, {datetime.fromtimestamp(seen.at, UTC):%Y-%m-%d %H:%M:%S} UTC")
    forks = memory.forks()
    for fork in forks:
        click.echo(f"\nFORK: the log signed this beside another tree of {fork.size} events:\n{fork.note}")
    raise SystemExit(1 if forks else 0)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.BadParameter("an address and a port, such as 127.0.0.1:8300 or [::1]:8300", param_hint="--listen")
    return host, int(port)
