"""Commands for whoever sets a portal up with separate processes, backs it up and restores it."""

from __future__ import annotations

import getpass
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from procedures.runner import cards

BEHIND, DIFFERS = 4, 5
FILE = click.Path(path_type=Path)


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    import django

    django.setup()


@click.command()
@click.option("--environment", required=True, help="The environment that the runner serves, or `disposable`.")
@click.option("--folder", type=FILE, help="Where its keys lie [keys in OPSPORTAL_DATA_DIR].")
@click.option("--card", type=FILE, help="Write the card here instead of to standard output.")
@click.option("--for", "part", type=click.Choice(["runner", "issuer"]), help="One of the two, where they are apart.")
@click.option("--new-identity", is_flag=True, help="One more key for identity tokens; it signs after a day.")
@click.option("--replace-identity", is_flag=True, help="One instead of all before, which somebody else may have.")
@click.option("--turn-pool", is_flag=True, help="One more pool key; what is sealed is sealed to it from now on.")
@click.option("--authority", metavar="PLACE", help="Where the key that lets runs in lies: pkcs11:… or vault:…")
@click.option("--host-authority", metavar="PLACE", help="The same for the key that certifies hosts.")
def keys(
    environment: str,
    folder: Path | None,
    card: Path | None,
    part: cards.Part | None,
    new_identity: bool,
    replace_identity: bool,
    turn_pool: bool,
    authority: str | None,
    host_authority: str | None,
) -> None:
    """Make the keys of one process, in its own place, and write their public halves on a card.

    A runner whose issuer is apart has its own key alone; that issuer has the pool key and the authority, and no key of
    a runner.
    """
    from opsportal.settings import env, folders
    from procedures.domain.errors import OpsError
    from procedures.runner import cards

    place = folder or env.path("OPSPORTAL_DATA_DIR") / "keys"
    if new_identity or replace_identity:
        there = folder or Path(env.text("OPSPORTAL_IDENTITY_KEYS_DIR") or place)
        _turn_identity(folders.private(there), environment, at_once=replace_identity)
        return
    folders.private(place)
    if turn_pool:
        _turn_pool(place, environment)
        return
    try:
        _point(place, folder, environment, authority, host_authority)
        text = json.dumps(cards.make(place, environment, part or ""), indent=1, sort_keys=True)
    except OpsError as problem:
        raise click.ClickException(f"{problem.message} {problem.next_step}") from problem
    if card is None:
        click.echo(text)
    else:
        card.write_text(text + "\n")
        click.echo(f"The keys lie in {place}; their card is {card}.")


def _point(place: Path, folder: Path | None, environment: str, users: str | None, hosts: str | None) -> None:
    """Say of authorities whose keys lie in a token or at Vault where they are, once they were seen there."""
    from opsportal.settings import env, folders
    from procedures.runner.cards import point_authority

    if users:
        point_authority(place, environment, users)
    if hosts:
        there = folders.private(folder or Path(env.text("OPSPORTAL_IDENTITY_KEYS_DIR") or place))
        click.echo(f"Hosts: {point_authority(there, environment, hosts, of_hosts=True)}", err=True)


def _turn_pool(place: Path, environment: str) -> None:
    """The issuer seals to the new key within a minute; nothing is restarted."""
    from procedures.domain.clock import now
    from procedures.runner.cards import further_pool

    made = further_pool(place, environment, at=now())
    click.echo(
        f"{made} is sealed to within a minute, what lies there is sealed anew, and the key before it goes when nothing "
        f"needs it. Where {environment} has several issuers, bring it to the others at once."
    )


def _turn_identity(place: Path, environment: str, *, at_once: bool) -> None:
    """The issuer shows the new key within a minute; nothing is restarted."""
    from procedures.domain.clock import now
    from procedures.runner.cards import identity_key

    made = identity_key(place, environment, at_once=at_once, at=now())
    when = "signs from now on, and those before it are shown no more" if at_once else "is shown now and signs in a day"
    click.echo(f"{made} {when}. Bring it to the other issuers of {environment}, if there are any.")


@click.command()
@click.option("--card", "cards", type=FILE, multiple=True, help="A runner's card; the first time one of each.")
@click.option(
    "--login", "files", type=FILE, multiple=True, help="A file with the DATABASE_URL of one part; may repeat."
)
def install(cards: tuple[Path, ...], files: tuple[Path, ...]) -> None:
    """Bring the database up to date; the first time, write genesis from the runners' cards.

    With --login, or where roles are there already, each part gets what it needs in the database (`opsportal roles`).
    """
    _django()
    from django.conf import settings

    from opsportal.keeping.setting_up import set_up
    from opsportal.roles import logins

    done = set_up(cards, [logins.read(file) for file in files])
    click.echo(f"{done.migrated} migrations applied; " + ("installed." if done.fresh else "installed before."))
    if done.given is not None:
        click.echo(done.given.told)
    if done.link:
        click.echo(f"First access manager, once and within 15 minutes: {settings.OPSPORTAL_PUBLIC_URL}{done.link}")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port [OPSPORTAL_PORT].")
@click.option("--proxy", default="127.0.0.1", show_default=True, help="Addresses or networks of believed proxies.")
def web(host: str, port: int | None, proxy: str) -> None:
    """The pages and the API."""
    if "*" in proxy:
        why = "* believes what each caller says of its own address: name addresses or networks (10.0.0.0/8)."
        raise click.BadParameter(why, param_hint="--proxy")
    from opsportal.settings import env

    listen = port or env.integer("OPSPORTAL_PORT", low=1, high=65_535)
    switches = ["--host", host, "--port", str(listen), "--lifespan", "off", "--no-access-log", "--no-server-header"]
    patience = ["--timeout-graceful-shutdown", "10", "--timeout-keep-alive", "30", "--forwarded-allow-ips", proxy]
    argv = [sys.executable, "-m", "uvicorn", "opsportal.asgi:application", *switches, *patience]
    os.execv(sys.executable, argv)


@click.command()
@click.option("--listen", default="0.0.0.0:8000", show_default=True, metavar="HOST:PORT")
@click.option("--to", required=True, metavar="HOST:PORT", help="Where the web process listens.")
def front(listen: str, to: str) -> None:
    """Hands connections on to web, which then stands in no network with a way out."""
    import asyncio

    from opsportal.front import place, serve

    try:
        places = place(listen), place(to)
    except ValueError as problem:
        raise click.BadParameter(str(problem)) from problem
    asyncio.run(serve(*places))


@click.command()
def alive() -> None:
    """Whether the process of this container or unit works; ends 1 if not."""
    from opsportal.alive import main

    raise SystemExit(main())


@click.command()
@click.argument("target", type=FILE)
def backup(target: Path) -> None:
    """Database, evidence bodies and the log's public keys in one file; no private key. The portal may go on."""
    _django()
    from opsportal.keeping.backup import make
    from procedures.domain.clock import now

    manifest = make(target, at=now())
    size = manifest["checkpoint"]["size"] if manifest["checkpoint"] else 0
    click.echo(f"{target}: {manifest['counts']['runs']} runs, a log of {size} events.")
    click.echo("Not in it: " + "; ".join(manifest["not_in_it"]) + ".")


@click.command()
@click.argument("archive", type=FILE)
@click.option("--checkpoint", type=FILE, multiple=True, help="A note or pack that was kept elsewhere; may repeat.")
@click.option("--erased", type=FILE, multiple=True, help="A copy of public/erased, if it was lost; may repeat.")
def restore(archive: Path, checkpoint: tuple[Path, ...], erased: tuple[Path, ...]) -> None:
    """Bring a backup into an empty database and prove its evidence.

    Ends 4 if something newer was published, 5 if tables say something else than the evidence. Everybody signs in again.
    """
    _django()
    from opsportal.keeping.restore import restore as bring_back
    from opsportal.roles import giving

    done = bring_back(archive, checkpoints=checkpoint, erased=erased)
    click.echo(f"Restored: a log of {done.size} events; every leaf, body, tile and checkpoint agrees.")
    ended = f"{done.ended.sessions} sessions, {done.ended.tokens} tokens and {done.ended.links} one-time links"
    click.echo(f"Ended: {ended}, which no evidence proves.")
    for gone in done.erased:
        what = f"--person {gone['subject']}" if "subject" in gone else f"--event {gone['event']}"
        paths = "".join(f" --path {path}" for path in gone.get("paths", ()))
        click.echo(f"Erased again, and not in this log; no pack verifies until two people say so: {what}{paths}")
    for one in done.agreed:
        click.echo(f"It holds what {one.source} says of its first {one.size} events.")
    if not done.pending and giving.exist():
        click.echo(giving.give().told)
    if done.pending:
        click.echo(f"{done.pending} migrations wait: run `opsportal install`.")
        click.echo("Then look at `opsportal drift`: until then nothing says that tables and evidence agree.")
    for row in done.differs or ():
        click.echo(f"Tables and evidence differ: {row.kind} {row.what}: {row.says}")
    if done.behind:
        for one in done.behind:
            click.echo(f"{one.source}: {one.size} events were published, {one.size - done.size} of them are not here.")
        click.echo("The log cannot go on from here. Restore a newer backup, or open a new log: `opsportal recover`.")
        raise SystemExit(BEHIND)
    if done.differs:
        click.echo("Start no process on this database before somebody knows why; restore another backup.")
        raise SystemExit(DIFFERS)
    if not done.agreed:
        click.echo("Nothing outside the backup says how far the log went; the sequencer's own memory decides.")


@click.command()
@click.option("--reason", required=True, help="Why the log could not go on; it stands in the evidence.")
@click.option("--checkpoint", type=FILE, multiple=True, help="What was published, from elsewhere; may repeat.")
def recover(reason: str, checkpoint: tuple[Path, ...]) -> None:
    """End a log whose database went back and open a new one that names it; run beside the log's key."""
    _django()
    from opsportal.keeping.recovering import recover as open_anew

    done = open_anew(reason=reason, by=getpass.getuser(), checkpoints=checkpoint)
    lost = "an unknown number of" if done.lost is None else str(done.lost)
    click.echo(f"A new log begins with {done.size} events of {done.former}; {lost} published events are not in it.")
    click.echo(f"Tell everybody who verifies evidence its key: {done.verifier}")
