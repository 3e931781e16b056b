"""`opsportal target`: hosts that procedures act on: list, show, contact, import, onboard, check, upgrade."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from opsportal.cli.host_logins import reconcile
from opsportal.cli.portal import ask, show
from opsportal.cli.target_hosts import check, onboard
from opsportal.cli.target_import import import_targets
from opsportal.cli.upgrading import upgrade


@click.group()
def target() -> None:
    """Hosts that procedures act on."""


@target.command("list")
@click.option("--environment", default="")
@click.option("--filter", "chosen", default="", help='As in procedures: "role=web and not zone=b".')
@click.option("--json", "as_json", is_flag=True)
def list_targets(environment: str, chosen: str, as_json: bool) -> None:
    """Targets, those that a filter matches, and when each was in contact."""
    found = ask("GET", f"/api/v1/targets/?{urlencode({'environment': environment, 'filter': chosen})}")
    rows = [
        f"{r['name']:<28} {r['environment']:<14} {r['address']}:{r['port']:<6} {contact_word(r['contact'])}"
        + (f"  not in {r['inventory']} since {r['missing_since_at']}" if r["missing_since_at"] else "")
        for r in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No target matches."])


@target.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def show_target(name: str, as_json: bool) -> None:
    """One target: where it comes from, and the changes that made it what it is."""
    found = ask("GET", f"/api/v1/targets/{name}/")
    rows = [f"{found['address']}:{found['port']} of {found['environment']}, host trust {found['trust']}"]
    rows += [f"proved     {found['proved_at'] or 'no run has got through at this level yet'}"]
    rows += [f"contact    {contact_word(found['contact'])}", f"host key   {found['host_key']}"]
    rows += [f"must show  a certificate of {found['host_authority']}"] if found["host_authority"] else []
    rows += [f"owner      {found['owner'] or '–'}", f"from       {found['inventory'] or 'a person'}"]
    rows += [f"{kind:<10} {key}={value}" for kind in ("tags", "attributes") for key, value in found[kind].items()]
    rows += [f"change     {c['at']} {c['proposer']}, {c['confirmer'] or 'nobody else'}" for c in found["changes"]]
    show(found, as_json=as_json, rows=rows)


@target.command("contact")
@click.argument("environment")
def contact(environment: str) -> None:
    """Have a runner look now whether the targets of an environment answer."""
    ask("POST", f"/api/v1/environments/{environment}/contact/", {})
    click.echo(f"A runner looks; opsportal target list --environment {environment} tells what it found.")


def contact_word(found: dict[str, Any] | None) -> str:
    """When a target was in contact, in words."""
    if found is None:
        return "not tried yet"
    words = {"reached": "in contact", "unreachable": "does not answer", "other_key": "shows another key"}
    return f"{words[found['state']]} ({found['at']})"


@target.command("certificate")
@click.argument("name")
@click.option("--authority", is_flag=True, help="The key of who signed it instead, to be confirmed as host_authority.")
def certificate(name: str, authority: bool) -> None:
    """Print the newest certificate of a host's key, for HostCertificate on the host; ends 1 if there is none yet."""
    found = ask("GET", f"/api/v1/targets/{name}/")["host_certificate"]
    if found is None:
        raise click.ClickException(
            f"Nobody signed the key of {name} yet: its issuer does within a minute where the host trust is certificate."
        )
    click.echo(found["authority"] if authority else found["certificate"])


for command in (import_targets, onboard, check, upgrade, reconcile):
    target.add_command(command)
