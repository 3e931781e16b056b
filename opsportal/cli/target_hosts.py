"""`opsportal target onboard | check`: what a host needs at a level of trust, as a script and as a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from opsportal.cli import host_checks, onboarding
from opsportal.cli.hosts import Login, NotReached, chosen, on_each, run_on
from opsportal.cli.portal import FAILED, ask, show
from opsportal.cli.target_import import counted
from procedures.ssh.accounts import ACCOUNT

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
Command = Callable[..., None]
HOST_OPTIONS = (
    click.option("--account", default="deploy", show_default=True, help="The account that procedures log in as."),
    click.option("--sudo", multiple=True, help="A whole command that it may run as root."),
    click.option(
        "--restricted-key", type=FILE, help="Level restricted: the public half that `secret new-key` printed."
    ),
    click.option(
        "--from", "source", default="", help="Level restricted: the addresses that hosts see the runner under."
    ),
)
LOGIN_OPTIONS = (
    click.option("--as", "who", default="root", show_default=True, metavar="USER", help="Your own login on the hosts."),
    click.option("--identity", type=FILE, help="Your key, if not the agent's."),
    click.option("--config", default="", help="sshd's configuration on the hosts, if not the usual one."),
)
CHOICE = (
    click.argument("names", metavar="[NAME…]", nargs=-1),
    click.option("--environment", default="", help="All targets of it, instead of names."),
    click.option("--filter", "matching", default="", help='With --environment: "role=web and not zone=b".'),
)


def options(*groups: tuple[Callable[[Command], Command], ...]) -> Callable[[Command], Command]:
    """Several commands' common options."""

    def dressed(command: Command) -> Command:
        for one in reversed([one for group in groups for one in group]):
            command = one(command)
        return command

    return dressed


def needs(level: str, given: Mapping[str, Any]) -> Callable[[dict[str, Any]], onboarding.Need]:
    """What each target must let in at a level, as the options say. A usage error where they do not suffice."""
    account, public = given["account"], given["restricted_key"]
    if not ACCOUNT.fullmatch(account):
        raise click.UsageError(f"{account!r} is no name of an account.")
    if level == "restricted" and not (public and given["source"]):
        raise click.UsageError("Level restricted wants --restricted-key FILE.pub and --from ADDRESS.")
    text = public.read_text().strip() if public else ""
    if public and ("PRIVATE" in text or len(text.split()) < 2):
        raise click.UsageError(f"{public} holds no public key; give the half that ends in .pub.")
    rows = {row["name"]: row["ssh_authority"] for row in ask("GET", "/api/v1/environments/")["results"]}

    def need(found: dict[str, Any]) -> onboarding.Need:
        authority = rows.get(found["environment"])
        if not authority:
            raise click.ClickException(f"{found['environment']} has no authority yet: start a runner of it once.")
        return onboarding.Need(
            found["name"],
            account,
            authority,
            given["sudo"],
            "restricted" if level == "restricted" else "certificate",
            text,
            given["source"],
            config=given.get("config", ""),
            demanded=bool(found["host_authority"]),
            host_certificate=(found["host_certificate"] or {}).get("certificate", ""),
        )

    return need


@click.command()
@click.argument("name")
@click.option(
    "--to", "level", type=click.Choice(["restricted", "certificate"]), default="certificate", show_default=True
)
@click.option("--close", is_flag=True, help="From then on this level alone is let in; the lower one ends.")
@options(HOST_OPTIONS)
def onboard(name: str, level: str, close: bool, **given: Any) -> None:
    """Print what root runs on a host so that it lets runs in at a level of trust; all of it happens, or nothing."""
    need = needs(level, given)(ask("GET", f"/api/v1/targets/{name}/"))
    click.echo(onboarding.script(replace(need, closed=close)), nl=False)


@click.command()
@options(CHOICE, HOST_OPTIONS, LOGIN_OPTIONS)
@click.option(
    "--to", "level", type=click.Choice(["restricted", "certificate"]), help="The level [that of each target]."
)
@click.option("--old-key", type=FILE, help="A public key that should open nothing any more, whatever the account.")
@click.option("--all", "every", is_flag=True, help="Also what is well.")
@click.option("--json", "as_json", is_flag=True)
def check(
    names: tuple[str, ...],
    environment: str,
    matching: str,
    level: str | None,
    old_key: Path | None,
    every: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Look at hosts, with your own login, and say of each what is wrong and the next step; nothing is changed.

    A host must show its confirmed key. Ends 1 unless everything is well on all of them.
    """
    found = chosen(names, environment, matching)
    levels = {level or row["trust"] for row in found}
    needed = {one: needs(one, given) for one in levels}
    old, login = old_key.read_text().strip() if old_key else "", Login(given["who"], given["identity"])

    def look(row: dict[str, Any]) -> list[host_checks.Line]:
        at = level or row["trust"]
        need = needed[at](row)
        return looked(row, need if at != "key" else replace(need, level="certificate", closed=False), login, old, at=at)

    told = list(zip(found, on_each(found, look), strict=True))
    if as_json:
        rows = [{"target": row["name"], "trust": row["trust"], "well": well(lines)} for row, lines in told]
        more = [{"lines": [asdict(one) for one in lines]} for _, lines in told]
        show({"results": [one | two for one, two in zip(rows, more, strict=True)]}, as_json=True)
    else:
        many = len(told) > 1
        click.echo("\n".join(text for row, lines in told for text in words(row["name"], lines, every or not many)))
        if many:
            click.echo(counted("well" if well(lines) else "not well" for _, lines in told))
    if not all(well(lines) for _, lines in told):
        raise SystemExit(FAILED)


def looked(
    row: dict[str, Any], need: onboarding.Need, login: Login, old: str = "", *, at: str = ""
) -> list[host_checks.Line]:
    """What was found on one host. One that is not reached is a line of its own."""
    try:
        said = run_on(row, login, host_checks.probe(need, old=old)).stdout
    except NotReached as problem:
        step = "see that it is up, that its confirmed key is right, and that your key opens it (--as, --identity)"
        return [host_checks.Line("unreached", str(problem), step)]
    lines = list(host_checks.read(said, need, old=old))
    if at != "key":
        return lines
    of_certificates = ("TrustedUser", "AuthorizedPr", "RevokedKeys")  # a plain key asks for an account and tools alone
    return [one for one in lines if not one.what.startswith(of_certificates)]


def well(lines: list[host_checks.Line]) -> bool:
    return all(one.state in {"ok", "later"} for one in lines)


def words(name: str, lines: list[host_checks.Line], every: bool) -> list[str]:
    """One host for a terminal: its name, then what is not well, each with the next step; the same step once."""
    bad = [one for one in lines if one.state != "ok"]
    rows = [f"{'ok' if well(lines) else 'NOT WELL':<9} {name}"]
    steps: dict[str, None] = {}
    for one in lines if every else bad:
        rows.append(f"  {one.state:<9} {one.what}")
        if one.next_step:
            steps.setdefault(one.next_step)
    return [*rows, *(f"  → {step}" for step in steps)]
