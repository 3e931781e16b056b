"""`opsportal emergency`: what people need by hand while the portal is down."""

from __future__ import annotations

import os
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def emergency() -> None:
    """The emergency pack: printed steps, hosts, scripts, and a credential that two people open together."""


@emergency.command()
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .zip.")
@click.option("--environment", "environments", multiple=True, help="This one alone; may repeat. Else every one.")
@click.option("--seal", "seals", multiple=True, metavar="ENVIRONMENT=FILE", help="A credential that two people open.")
@click.option("--new-key", "keys", multiple=True, metavar="ENVIRONMENT", help="Seal a new SSH key, made for this pack.")
@click.option("--backup", type=FILE, help="From this backup instead of the database; seals nothing.")
def pack(
    output: Path, environments: tuple[str, ...], seals: tuple[str, ...], keys: tuple[str, ...], backup: Path | None
) -> None:
    """Write the pack from the portal's own database; no process of the portal need run.

    Credentials are sealed to those who may break the glass there, as signed events say: each gets a share, two of them
    open it, one alone learns nothing. That they were sealed is an event.
    """
    if output.exists():
        raise click.UsageError(f"{output} exists.")
    wanted = dict.fromkeys(keys, b"")
    for one in seals:
        name, equals, file = one.partition("=")
        if not equals or not Path(file).is_file():
            raise click.UsageError(f"--seal wants ENVIRONMENT=FILE, and {one!r} is not.")
        wanted[name] = Path(file).read_bytes()
        if not wanted[name]:
            raise click.UsageError(f"{file} is empty.")
    data = _made(environments, wanted, recorded=True) if backup is None else _from(backup, environments, wanted)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as made:
        made.write(data)
    click.echo(f"{output}: {len(data):,} bytes. Print ENVIRONMENT/steps.pdf, and keep it where the portal is not.")
    if wanted:
        click.echo(f"Sealed for {', '.join(sorted(wanted))}. A new key counts once its key.pub is on the hosts.")


def _made(environments: tuple[str, ...], wanted: dict[str, bytes], *, recorded: bool) -> bytes:
    _django()
    from opsportal.keeping.emergency import make
    from procedures.domain.clock import now

    return make(at=now(), environments=environments, seals=wanted, recorded=recorded)


def _from(archive: Path, environments: tuple[str, ...], wanted: dict[str, bytes]) -> bytes:
    """From a backup in SQLite, in a copy that is thrown away. One of PostgreSQL is restored first."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="opsportal-emergency-") as name:
        folder = Path(name, "unpacked")
        folder.mkdir()
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/database.sqlite3"
        _django()
        from opsportal.keeping import backup

        backup.read(archive, folder)
        if not (folder / "database.sqlite3").exists():
            raise click.ClickException("This backup is PostgreSQL's: `opsportal restore` it first.")
        return _made(environments, wanted, recorded=False)


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    import django

    django.setup()


@emergency.command()
@click.argument("share", type=FILE)
@click.option("--identity", type=FILE, help="Your SSH private key; ~/.ssh/id_ed25519 if none is named.")
@click.option("-o", "output", required=True, type=click.Path(dir_okay=False, path_type=Path))
def share(share: Path, identity: Path | None, output: Path) -> None:
    """Open your SHARE of a credential, as `age -d` does; two of them give it: open_together.py of the pack."""
    from opsportal.cli.results import private_key, write_private
    from procedures.domain import age

    key = private_key(identity or Path.home() / ".ssh" / "id_ed25519")
    write_private(output, age.decrypt(share.read_bytes(), key))
    click.echo(f"{output}: your share. With another one: python3 open_together.py {output} OTHER > credential")
