"""`opsportal database onboard`: the SQL by which a database lets the issuer make roles for single runs."""

from __future__ import annotations

import click

from procedures.credentials.postgres_setup import LOGIN, NAME, Template, script


class TemplateWord(click.ParamType[Template]):
    """ROLE, or ROLE=SECONDS, or ROLE=SECONDS/CONNECTIONS."""

    name = "template"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Template:
        role, _, more = str(value).partition("=")
        seconds, _, connections = more.partition("/")
        if not NAME.fullmatch(role) or role.startswith("pg_"):
            self.fail(f"{role!r} is no role of your own: lower-case letters, digits, _ and -; not pg_…", param, ctx)
        try:
            made = Template(role, int(seconds or 900), int(connections or 2))
        except ValueError:
            self.fail(f"{value!r}: write ROLE=SECONDS/CONNECTIONS, as in reader=900/2.", param, ctx)
        if not 0 < made.seconds <= 43_200:
            self.fail(f"{role}: a role lives for 1 to 43200 seconds.", param, ctx)
        if not 0 < made.connections <= 20:
            self.fail(f"{role}: 1 to 20 connections.", param, ctx)
        return made


@click.group()
def database() -> None:
    """PostgreSQL databases in which runs get a role of their own."""


@database.command()
@click.option(
    "--template", "templates", type=TemplateWord(), multiple=True, required=True, help="ROLE=SECONDS/CONNECTIONS."
)
@click.option("--login", default=LOGIN, show_default=True, help="What the issuer of this environment logs in as.")
def onboard(templates: tuple[Template, ...], login: str) -> None:
    r"""Print SQL for the superuser of a database; safe to run again.

    Each template is a role that cannot log in and has the rights that a run may get. It must be there already.

    \b
    opsportal database onboard --template reader=900 | psql -v ON_ERROR_STOP=1 -d app
    """
    if not NAME.fullmatch(login):
        raise click.BadParameter("lower-case letters, digits, _ and -.", param_hint="--login")
    click.echo(script(templates, login=login), nl=False)
    click.echo(f"-- Then set its password:  \\password {login}")
    click.echo("-- and seal it:  opsportal secret set NAME --environment ENVIRONMENT")
