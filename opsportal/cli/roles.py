"""`opsportal roles`: a login of its own in the database for each part of the portal."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--sql", is_flag=True, help="Print the statements, for an administrator; do nothing.")
@click.option(
    "--login", "files", type=FILE, multiple=True, help="A file with the DATABASE_URL of one part; may repeat."
)
@click.option("--json", "as_json", is_flag=True)
def roles(sql: bool, files: tuple[Path, ...], as_json: bool) -> None:
    """Make the roles of web, scheduler, sequencer, runners and readers in the database, with what each needs alone.

    Run it as the owner of the tables, after `opsportal install` and whenever an environment is new; where nothing is
    to be changed it changes nothing. Ends 1 if something is left that somebody else must mend.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    import django

    django.setup()
    from opsportal.roles import giving, logins

    given = [logins.read(file) for file in files]
    if sql:
        todo = giving.planned(given)
        text = "\n".join(f"{statement};" for statement in todo)
        click.echo(json.dumps({"statements": list(todo), "left": todo.left}, indent=2) if as_json else text)
        return
    done = giving.give(given)
    if as_json:
        click.echo(json.dumps({"done": done.done, "logins": list(done.logins), "left": list(done.left)}, indent=2))
    else:
        click.echo(done.told)
    raise SystemExit(1 if done.left else 0)
