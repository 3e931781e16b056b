"""`opsportal hook`: deliveries of other systems that ask for one procedure, and sending one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from opsportal.cli import schedules
from opsportal.cli.access import JSON, KEY
from opsportal.cli.portal import DENIED, FAILED, NO_PORTAL, ask, url
from opsportal.cli.schedules import REASON


@click.group()
def hook() -> None:
    """Deliveries of other systems that ask for one procedure."""


@hook.command("list")
@click.option("--procedure", default="")
@JSON
def list_hooks(procedure: str, as_json: bool) -> None:
    """Hooks that you may see."""
    schedules.listed("hook", procedure, as_json=as_json)


@hook.command("show")
@click.argument("name")
@JSON
def show_hook(name: str, as_json: bool) -> None:
    """One hook: its address, and what came of its deliveries."""
    schedules.shown("hook", name, as_json=as_json)


@hook.command()
@click.argument("name")
@click.option("--procedure", required=True)
@click.option("--environment", required=True)
@click.option("--account", required=True, help="The service account that asks; yours, unless you operate there.")
@click.option("--map", "mapping", default="{}", help='As {"service": {"pointer": "/repository/name"}}, or @FILE.')
@click.option("--proof", type=click.Choice(["ed25519", "hmac", "github"]), default="ed25519", show_default=True)
@click.option(
    "--public", "keys", multiple=True, metavar="WHPK=PERSON", help="A public key and who holds its other half."
)
@click.option("--target", "targets", multiple=True)
@click.option("--a-minute", default=6, show_default=True)
@click.option("--days", default=90, show_default=True, help="How long it stands, 365 at most.")
@REASON
@KEY
def add(name: str, key: str | None, **typed: Any) -> None:
    """Set a hook, or set one that is there anew."""
    given = {part: typed[part] for part in ("procedure", "environment", "account", "proof", "a_minute", "reason")}
    more = {"name": name, "targets": list(typed["targets"]), "mapping": schedules.as_json(typed["mapping"])}
    more |= {"keys": _keys(typed["keys"]), "expires_at": schedules.until(typed["days"])}
    schedules.proposed("hook", {**given, **more}, key)


def _keys(typed: tuple[str, ...]) -> list[dict[str, str]]:
    """`whpk_…=anna`: the key ends in one = of its own."""
    if not typed:
        return []
    people = {p["username"]: p["subject"] for p in ask("GET", "/api/v1/people/")["results"]}
    found = []
    for text in typed:
        key, _, who = text.rpartition("=")
        if who not in people:
            click.echo(f"There is no person {who!r}; write whpk_…=NAME.", err=True)
            raise SystemExit(FAILED)
        found.append({"key": key, "holder": people[who]})
    return found


@hook.command()
@click.argument("name")
@REASON
def pause(name: str, reason: str) -> None:
    """From this instant its deliveries ask for nothing."""
    schedules.turned("hook", name, "pause", reason)


@hook.command()
@click.argument("name")
@REASON
def resume(name: str, reason: str) -> None:
    """Its deliveries ask again."""
    schedules.turned("hook", name, "resume", reason)


@hook.command()
@click.argument("name")
@REASON
@KEY
def end(name: str, reason: str, key: str | None) -> None:
    """It stands no more; what it asked for goes on."""
    schedules.ended("hook", name, reason, key)


@hook.command()
@click.argument("name")
@KEY
def repin(name: str, key: str | None) -> None:
    """Propose the change that is prepared: the version that is accepted now."""
    schedules.repinned("hook", name, key)


@hook.command()
@click.argument("name")
def secret(name: str) -> None:
    """A fresh secret for the sender of a hook outside production, shown this once."""
    click.echo(ask("POST", f"/api/v1/hooks/{name}/secret/")["secret"])


@hook.command()
@click.argument("file", type=click.Path(path_type=Path))
def keys(file: Path) -> None:
    """Make a pair on this machine: the private half into FILE, the public one is printed."""
    from procedures.domain.deliveries import new_pair

    private, public = new_pair()
    try:
        file.touch(mode=0o600, exist_ok=False)
    except OSError as problem:
        click.echo(f"{file}: {problem.strerror}.", err=True)
        raise SystemExit(FAILED) from problem
    file.write_text(private + "\n")
    click.echo(public)


@hook.command()
@click.argument("name")
@click.option("--key-file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", default="{}", help="The body as JSON, or @FILE.")
@click.option("--id", "mark", default="", help="The id of the delivery; a fresh one unless said.")
def send(name: str, key_file: Path, data: str, mark: str) -> None:
    """Sign a delivery with the key in a file and send it, as another system would."""
    import json

    import httpx

    from procedures.domain.deliveries import sign
    from procedures.domain.ids import uuid7

    body = json.dumps(schedules.as_json(data)).encode()
    headers = sign(key_file.read_text().strip(), mark or f"msg_{uuid7()}", datetime.now(UTC), body)
    try:
        answer = httpx.post(
            f"{url()}/hooks/{name}", content=body, headers={**headers, "Content-Type": "application/json"}, timeout=60
        )
    except httpx.HTTPError as problem:
        click.echo(f"Cannot reach the portal at {url()}: {problem}.", err=True)
        raise SystemExit(NO_PORTAL) from problem
    click.echo(answer.text)
    if answer.status_code != 202:
        raise SystemExit(DENIED if answer.status_code == 403 else FAILED)
