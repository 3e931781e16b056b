"""`opsportal binding`: what an environment makes of a credential that procedures name."""

from __future__ import annotations

from typing import Any

import click

from opsportal.cli.access import JSON, KEY, propose_change, told
from opsportal.cli.portal import show


@click.group()
def binding() -> None:
    """What an environment makes of a credential that procedures name."""


@binding.command("set")
@click.argument("name")
@click.option("--environment", required=True)
@click.option("--provider", required=True, help="Such as ssh-key or ssh-certificate.")
@click.option("--role", required=True, help="The account, role or name that is lent.")
@click.option("--limit", "limits", metavar="NAME=VALUE", multiple=True, help="Such as secret=deploy-key; may repeat.")
@click.option("--reach", metavar="NAME=VALUE", multiple=True, help="What it can reach, such as sudo=none; may repeat.")
@click.option("--ttl", "max_ttl_s", type=click.IntRange(10, 86_400), default=600, show_default=True, help="Seconds.")
@KEY
@JSON
def set_binding(name: str, key: str | None, as_json: bool, **given: Any) -> None:
    """Propose that the credential NAME is lent by this provider; what was bound to it before ends."""
    thing = {
        "environment": given["environment"],
        "name": name,
        "provider": given["provider"],
        "role": given["role"],
        "ceiling": dict(_pair(word, "--limit") for word in given["limits"]),
        "max_ttl_s": given["max_ttl_s"],
        "reach": dict(_pair(word, "--reach") for word in given["reach"]),
    }
    found = propose_change("binding", thing, key)
    show(found, as_json=as_json, rows=told(found))


def _pair(word: str, option: str) -> tuple[str, str]:
    name, mark, value = word.partition("=")
    if not name or not mark:
        raise click.UsageError(
            f"{option} {word!r} is not NAME=VALUE. Lists and objects: opsportal control propose binding FILE"
        )
    return name, value
