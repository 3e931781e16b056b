"""Static secrets and what they are bound to: sealed on this machine, so that no portal sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import KEY, propose_change, told
from opsportal.cli.portal import FAILED, ask


@click.group()
def secret() -> None:
    """Static secrets: sealed here, so that no portal sees them."""


@secret.command("set")
@click.argument("name")
@click.option("--environment", required=True)
@click.option("--file", "source", type=click.File("rb"), help="Where the value stands; else it is asked for.")
@KEY
def set_secret(name: str, environment: str, source: Any, key: str | None) -> None:
    """Seal a value, such as a private key, to the runners of one environment and propose it under NAME."""
    value = source.read() if source else click.prompt("Value", hide_input=True).encode()
    click.echo("\n".join(told(_sealed(name, environment, value, key))))


@secret.command("new-key")
@click.argument("name")
@click.option("--environment", required=True)
@click.option("--public", "place", type=click.Path(path_type=Path), help="Write the public half here as well.")
@KEY
def new_key(name: str, environment: str, place: Path | None, key: str | None) -> None:
    """Make an SSH key, seal its private half at once, and print the public one: the private half is written nowhere."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    made = Ed25519PrivateKey.generate()
    text = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + f" {name}"
    found = _sealed(name, environment, text, key)
    if place:
        place.write_text(public + "\n")
    click.echo(public)
    click.echo("\n".join(told(found)), err=True)


def _sealed(name: str, environment: str, value: bytes, key: str | None) -> dict[str, Any]:
    """The change that proposes a value, sealed here to the runners of one environment."""
    from procedures.domain.sealing import secret_object

    rows = {row["name"]: row["pool_key"] for row in ask("GET", "/api/v1/environments/")["results"]}
    if not rows.get(environment):
        click.echo(f"There is no environment {environment!r}; there are {', '.join(rows)}.", err=True)
        raise SystemExit(FAILED)
    thing = secret_object(environment=environment, name=name, value=value, pool=rows[environment])
    return propose_change("secret", dict(thing), key)
