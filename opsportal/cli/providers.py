"""Identity providers: what one says about itself, as the change that is then proposed."""

from __future__ import annotations

import json

import click

from opsportal.cli.portal import FAILED


@click.group()
def provider() -> None:
    """Identity providers by which people sign in."""


@provider.command()
@click.argument("name")
@click.argument("issuer")
@click.option("--client-id", required=True, help="The name under which the provider knows this portal.")
@click.option("--title", default="", help="What the button says. Default: NAME.")
def discover(name: str, issuer: str, client_id: str, title: str) -> None:
    """Read the OpenID discovery document of ISSUER and print the object to propose; needs no portal.

    Look at every address, add the groups, then: opsportal control propose identity_provider FILE --key KEY
    """
    from procedures.domain.errors import OpsError
    from procedures.signon.discovery import discovered

    try:
        thing = discovered(name, issuer, client_id=client_id, title=title)
    except OpsError as problem:
        click.echo(f"{problem.message}\n{problem.next_step}", err=True)
        raise SystemExit(FAILED) from problem
    click.echo(json.dumps(thing, indent=2, ensure_ascii=False))
