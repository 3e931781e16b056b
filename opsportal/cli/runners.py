"""`opsportal runner`: be a runner, make a runner's card, bring it in, end it. `opsportal runners`: which there are."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import JSON, KEY, propose_change, told
from opsportal.cli.portal import FAILED, ask, json_of, show
from opsportal.cli.server import hand_over
from procedures.domain.runners import enrolment, fingerprint, is_card, with_issuer

FILE = click.Path(path_type=Path)


@click.group(invoke_without_command=True)
@click.option("--environment", multiple=True, help="Serve this environment; may repeat.")
@click.option("--pool", type=click.Choice(["disposable"]), help="Run what nobody has reviewed, and nothing else.")
@click.pass_context
def runner(ctx: click.Context, environment: tuple[str, ...], pool: str | None) -> None:
    """A runner for the queues of its environments, or the disposable pool for tests and drafts."""
    if ctx.invoked_subcommand is not None:
        if environment or pool:
            raise click.UsageError("Give --environment after the command.")
        return
    if bool(environment) == bool(pool):
        raise click.UsageError("Give --environment NAME, or --pool disposable: never both in one process.")
    if pool:
        hand_over("procedures.runner.disposable_main")
    hand_over("procedures.runner.main", *(word for name in environment for word in ("--environment", name)))


@runner.command()
@click.option("--environment", required=True, help="The environment that it is to serve.")
@click.option("--name", help="What people call it [runner-ENVIRONMENT-HOST].")
@click.option("--folder", type=FILE, help="Where its keys lie [keys in OPSPORTAL_DATA_DIR].")
@click.option("--card", "target", type=FILE, help="Write the card here instead of to standard output.")
@click.option("--new-pool", is_flag=True, help="Make the pool key and authority of a new environment too.")
def card(environment: str, name: str | None, folder: Path | None, target: Path | None, new_pool: bool) -> None:
    """Make this machine's own key, once, and print its card; the private half stays here.

    The fingerprint goes to standard error: read it to whoever brings the card in.
    """
    from opsportal.settings import env, folders
    from procedures.runner import cards

    place = folders.private(folder or env.path("OPSPORTAL_DATA_DIR") / "keys")
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-") or "host"
    made = cards.make_later(place, environment, name=name or f"runner-{environment}-{host}", new_pool=new_pool)
    text = json.dumps(made, indent=1, sort_keys=True)
    if target is None:
        click.echo(text)
    else:
        target.write_text(text + "\n")
    click.echo(f"{made['name']}: {fingerprint(made['public'])}", err=True)
    if "pool" not in made:
        bring = f"Bring pool-{environment}.key and ssh-ca-{environment} from a host of {environment} to {place}"
        apart = "to its issuer's place where the issuer is apart"
        click.echo(f"{bring}, or {apart}; for a new environment: --new-pool, or `keys --for issuer`.", err=True)


@runner.command()
def software() -> None:
    """The digest of this machine's portal software, as a runner here reports it."""
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    from procedures.runner.reporting import software_digest

    click.echo(software_digest())


@runner.command()
@click.argument("file", metavar="CARD", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--zone", "zones", multiple=True, help="A network zone that its host reaches; may repeat.")
@click.option("--attest", "attested", multiple=True, metavar="DIGEST", help="Software that it may run; may repeat.")
@click.option("--issuer", type=FILE, help="The card of its issuer, where that is apart and its environment is new.")
@KEY
@JSON
def propose(
    file: Path,
    zones: tuple[str, ...],
    attested: tuple[str, ...],
    issuer: Path | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Propose that the runner of CARD is enrolled; compare its fingerprint with its host first."""
    made = json_of(file)
    if issuer is not None and isinstance(made, dict):
        made = with_issuer(made, json_of(issuer))
    if not is_card(made):
        raise click.UsageError(f"{file} is not a card that `opsportal runner card` wrote.")
    click.echo(f"{made['name']}: {fingerprint(made['public'])}", err=True)
    object = enrolment(made, zones=list(zones), software=list(attested))
    found = propose_change("runner", object, key)
    show(found, as_json=as_json, rows=told(found))


@runner.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, such as: lost, stolen, put away.")
@KEY
@JSON
def end(name: str, reason: str, key: str | None, as_json: bool) -> None:
    """End a runner at once: it takes nothing more, and what it holds is interrupted."""
    one = _named(name)
    found = propose_change("runner_end", {"runner": one["runner"], "reason": reason}, key)
    where = ", ".join(one["environments"])
    lost = f"If it was lost or stolen: replace the pool key and the authority of {where}, and seal every secret anew."
    show(found, as_json=as_json, rows=[*told(found), lost])


def _named(name: str) -> dict[str, Any]:
    rows = ask("GET", "/api/v1/runners/")["results"]
    living = [row for row in rows if row["state"] != "ended" and name in (row["name"], row["runner"])]
    if not living:
        names = ", ".join(row["name"] for row in rows if row["state"] != "ended") or "none"
        click.echo(f"You see no living runner {name!r}; there are: {names}.", err=True)
        raise SystemExit(FAILED)
    return dict(living[0])


@click.command()
@JSON
def runners(as_json: bool) -> None:
    """Runners of the environments that you operate, manage or audit."""
    found = ask("GET", "/api/v1/runners/")
    rows = [
        f"{r['name']:<32} {r['state']:<7} {','.join(r['environments']):<24} tier {r['reported']['tier'] or '?':<3} "
        f"{r['reported']['version'] or '?':<8} {r['busy']} under way  {r['skew']}".rstrip()
        + (f"  clock {r['clock']}" if r["clock"] else "")
        for r in found["results"]
    ]
    show(found, as_json=as_json, rows=rows or ["No runner that you may see."])


__all__ = ["runner", "runners"]
