"""Secret results of a run: fetched encrypted, opened on this machine with a key that never leaves it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsportal.cli.portal import FAILED, USAGE, ask, kept, run_id, show

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STATES = {
    "kept": "waits",
    "picked_up": "was picked up",
    "sending": "was on its way when its runner was last heard of: it is not known whether it arrived",
    "undelivered": "was made, and is not there",
}
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("run")
@click.argument("name", required=False)
@click.option("--identity", type=FILE, help="Your Ed25519 SSH key [~/.ssh/id_ed25519].")
@click.option("--output", type=FILE, help="A new file for the value, for you alone; else it is printed.")
@click.option("--save", type=FILE, help="A new file for the encrypted value, as it is; nothing is opened.")
@click.option("--erase", is_flag=True, help="Have it erased, unread.")
@click.option("--json", "as_json", is_flag=True)
def result(
    run: str,
    name: str | None,
    identity: Path | None,
    output: Path | None,
    save: Path | None,
    erase: bool,
    as_json: bool,
) -> None:
    """The secret results of a run; with NAME, pick that one up and open it here. Each pick-up is on the record."""
    pk = run_id(run)
    rows = ask("GET", f"/api/v1/runs/{pk}/results/")["results"]
    if name is None:
        show(rows, as_json=as_json, rows=[_told(row) for row in rows] or ["This run made no secret results."])
        return
    row = _one(rows, name)
    where = f"/api/v1/runs/{pk}/results/{row['id']}/"
    if erase:
        ask("POST", f"{where}erase/", {"reason": "erased by command"})
        click.echo(f"{name} was erased, unread.", err=True)
        return
    if save is not None:
        write_private(save, ask("POST", f"{where}fetch/"))
        click.echo(f"{save} is encrypted; open it with `age -d -i KEY {save}`.", err=True)
        return
    _opened(row, where, identity or Path.home() / ".ssh" / "id_ed25519", output)


def _told(row: dict[str, Any]) -> str:
    state = STATES.get(row["state"], row["state"])
    step = f"{row['step']} × {row['target']}" if row["target"] else row["step"]
    until = f" until {row['expires_at']}" if row["state"] == "kept" else ""
    return f"{row['name']:<20} {step:<20} {row['where']}: {state}{until}" + (f". {row['why']}" if row["why"] else "")


def _one(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The result of that name that waits. Ends the program where there is none, or more than one."""
    named = [row for row in rows if name in {row["name"], f"{row['target']}/{row['name']}"}]
    waiting = [row for row in named if row["state"] == "kept"]
    if len(waiting) == 1:
        return waiting[0]
    if waiting:
        choices = ", ".join(f"{row['target']}/{row['name']}" for row in waiting)
        click.echo(f"Several targets made one: name one of {choices}.", err=True)
        raise SystemExit(USAGE)
    click.echo("\n".join(map(_told, named)) or f"This run made no secret result named {name}.", err=True)
    raise SystemExit(FAILED)


def _opened(row: dict[str, Any], where: str, identity: Path, output: Path | None) -> None:
    """Fetch and open; what was fetched lies in a file until it is open, since the portal may have it no more."""
    from procedures.domain import age
    from procedures.domain.errors import OpsError

    key = private_key(identity)
    _require_recipient(row, key)
    if output is not None and output.exists():
        raise click.ClickException(f"{output} is there already.")
    file = kept().parent / f"{row['id']}.age"
    write_private(file, ask("POST", f"{where}fetch/"))
    try:
        value = age.decrypt(file.read_bytes(), key)
    except OpsError as problem:
        click.echo(f"{problem.message} It lies encrypted in {file}.", err=True)
        raise SystemExit(FAILED) from problem
    if output is not None:
        write_private(output, value)
        click.echo(f"{row['name']} lies in {output}.", err=True)
    elif sys.stdout.isatty():  # whoever made it may have put in what a terminal obeys: that is written out
        click.echo(value.decode(errors="replace"))
    else:
        click.echo(value, nl=False)
    file.unlink()


def private_key(identity: Path) -> Ed25519PrivateKey:
    """The key of that file; its passphrase is asked for where it has one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        text = identity.read_bytes()
        try:
            key = load_ssh_private_key(text, None)
        except TypeError:
            secret = str(click.prompt(f"Passphrase of {identity}", hide_input=True, err=True))
            key = load_ssh_private_key(text, secret.encode())
    except (OSError, ValueError) as problem:
        raise click.ClickException(f"{identity} is no SSH key that can be read: name one with --identity.") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise click.ClickException(f"{identity} is no Ed25519 key: name one with --identity.")
    return key


def _require_recipient(row: dict[str, Any], key: Ed25519PrivateKey) -> None:
    """Ends the program before anything is fetched that this key cannot open."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from procedures.domain.sshkeys import fingerprint

    mine = fingerprint(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    keys = [str(mark) for _, mark in row["recipients"]]
    if mine not in keys:
        click.echo(f"{row['name']} is for {', '.join(keys)}; this key is {mine}. Nothing was fetched.", err=True)
        raise SystemExit(FAILED)


def write_private(path: Path, data: bytes) -> None:
    """A new file that its owner alone reads."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as problem:
        raise click.ClickException(f"{path} is there already.") from problem
    with os.fdopen(fd, "wb") as file:
        file.write(data)
