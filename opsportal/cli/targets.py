"""`opsportal target import`: hosts of an Ansible inventory, proposed as targets of one environment."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from opsportal.cli import onboarding
from opsportal.cli.access import propose_change, told
from opsportal.cli.portal import FAILED, ask, show
from procedures.domain.importing import ImportRefused
from procedures.inventories import ansible
from procedures.inventories.targets import Wanted, wanted
from procedures.ssh.accounts import ACCOUNT

WORDS = {
    "logins": "logins",
    "known": "of runs",
    "not_ours": "of other accounts",
    "unsure": "by key without an absolute time",
    "unknown": "that nobody was lent",
}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


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


@target.command("onboard")
@click.argument("name")
@click.option("--account", default="deploy", show_default=True, help="The account that procedures log in as.")
@click.option("--sudo", multiple=True, help="A whole command that it may run as root.")
def onboard(name: str, account: str, sudo: tuple[str, ...]) -> None:
    """Print what root runs once on a host so that certificates of its environment are let in."""
    click.echo(onboarding.script(_need(name, account, sudo)), nl=False)


@target.command("check")
@click.argument("name")
@click.option("--account", default="deploy", show_default=True)
@click.option("--sudo", multiple=True, help="As it was given to onboard.")
@click.option(
    "--as", "who", metavar="USER@HOST", help="Where to log in with your own key; root@ its address if left out."
)
@click.option("--identity", type=FILE, help="Your key, if not the agent's.")
@click.option("--config", default="", help="sshd's configuration, if not the usual one.")
@click.option("--json", "as_json", is_flag=True)
def check(
    name: str, account: str, sudo: tuple[str, ...], who: str | None, identity: Path | None, config: str, as_json: bool
) -> None:
    """Look at a host, with your own login, and say of everything it needs whether it is there and what to do.

    The host must show its confirmed key. Nothing is changed. Ends 1 unless everything is well.
    """
    found, need = ask("GET", f"/api/v1/targets/{name}/"), _need(name, account, sudo)
    said = looked(found, who or f"root@{found['address']}", onboarding.probe(need, config=config), identity)
    lines = list(onboarding.read(said, need))
    rows = [f"{one.state:<8} {one.what}" + (f"\n         → {one.next_step}" if one.next_step else "") for one in lines]
    show({"results": [asdict(one) for one in lines]}, as_json=as_json, rows=rows)
    if any(one.state != "ok" for one in lines):
        raise SystemExit(FAILED)


def _need(name: str, account: str, sudo: tuple[str, ...]) -> onboarding.Need:
    if not ACCOUNT.fullmatch(account):
        raise click.UsageError(f"{account!r} is no name of an account.")
    found = ask("GET", f"/api/v1/targets/{name}/")
    where, shows = found["environment"], (found["host_certificate"] or {}).get("certificate", "")
    rows = {row["name"]: row for row in ask("GET", "/api/v1/environments/")["results"]}
    authority = rows[where]["ssh_authority"]
    if not authority:
        raise click.ClickException(f"{where} has no authority yet: start a runner of it once.")
    return onboarding.Need(name, account, authority, sudo, shows)


def looked(found: dict[str, Any], who: str, text: str, identity: Path | None) -> str:
    """What a script prints on the host, over ssh with the person's own login and the target's confirmed host key."""
    port = str(found["port"])
    with tempfile.NamedTemporaryFile("w", suffix=".known_hosts") as known:
        known.write(f"{name_of(who, port)} {found['public_host_key']}\n")
        known.flush()
        words = ["ssh", "-p", port, "-o", f"UserKnownHostsFile={known.name}", "-o", "StrictHostKeyChecking=yes"]
        words += ["-o", "BatchMode=yes", "-o", "GlobalKnownHostsFile=/dev/null", "-T"]
        words += ["-i", str(identity), "-o", "IdentitiesOnly=yes"] if identity else []
        done = subprocess.run([*words, "--", who, "sh -s"], input=text, capture_output=True, text=True, check=False)
    if done.returncode == 255:
        raise click.ClickException(f"{who} was not reached: {done.stderr.strip() or 'no reason given'}")
    return done.stdout


def name_of(who: str, port: str) -> str:
    host = who.rpartition("@")[2]
    return host if port == "22" else f"[{host}]:{port}"


@target.command("reconcile")
@click.argument("name")
@click.argument("log", required=False, type=click.File("r", errors="replace"))
@click.option("--as", "who", metavar="USER@HOST", help="Read it there with your own login; root@ its address if empty.")
@click.option("--since", default="-1d", show_default=True, help="How far back to read there, as journalctl takes it.")
@click.option("--identity", type=FILE, help="Your key, if not the agent's.")
@click.option("--json", "as_json", is_flag=True)
def reconcile(name: str, log: Any, who: str | None, since: str, identity: Path | None, as_json: bool) -> None:
    """Hold a host's own log of logins against what was lent; ends 1 if somebody came in with anything else.

    LOG is a file of sshd's log, or - for standard input, best with times as `journalctl -o short-iso` writes them.
    Without it the host is asked.
    """
    text = log.read() if log is not None else _read_there(name, who, since, identity)
    lines = [line for line in text.splitlines() if "Accepted " in line]
    found = ask("POST", f"/api/v1/targets/{name}/logins/", {"log": "\n".join(lines)})
    rows = [f"unknown  {row['line']}\n         → {row['why']}" for row in found["results"]]
    rows.append(", ".join(f"{found[key]} {word}" for key, word in WORDS.items()))
    show(found, as_json=as_json, rows=rows)
    if found["unknown"] or found["unsure"]:
        raise SystemExit(FAILED)


def _read_there(name: str, who: str | None, since: str, identity: Path | None) -> str:
    found = ask("GET", f"/api/v1/targets/{name}/")
    asks = f"journalctl -o short-iso --no-pager --since {shlex.quote(since)} -t sshd -t sshd-session\n"
    return looked(found, who or f"root@{found['address']}", asks, identity)


@target.command("import")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
@click.option("--environment", required=True)
@click.option("--known-hosts", type=FILE, help="Where the hosts' keys are known; ~/.ssh/known_hosts if left out.")
@click.option("--trust", type=click.Choice(["key", "certificate"]), default="key", show_default=True)
@click.option("--dry-run", is_flag=True, help="Say what would be proposed; needs no portal.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--json", "as_json", is_flag=True)
def import_targets(
    files: tuple[Path, ...],
    environment: str,
    known_hosts: Path | None,
    trust: str,
    dry_run: bool,
    key: str | None,
    as_json: bool,
) -> None:
    """Propose every host of an inventory whose key is known. Secrets in the inventory stay behind.

    Ends 1 if a file is refused, or a host cannot be proposed.
    """
    place = known_hosts or Path.home() / ".ssh" / "known_hosts"
    seen = place.read_text(errors="replace") if place.exists() else ""
    rows: list[dict[str, Any]] = []
    for file in files:
        try:
            inventory = ansible.read(file.name, file.read_bytes())
        except ImportRefused as problem:
            rows.append({"file": str(file), "outcome": "refused", "line": problem.line, "message": problem.message})
            continue
        found = wanted(inventory, environment, seen, trust)
        rows += [{"file": str(file), **_proposed(one, dry_run=dry_run, key=key)} for one in found]
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else "\n".join(map(line, rows)))
    if any(row["outcome"] in {"refused", "left out"} for row in rows):
        raise SystemExit(FAILED)


def _proposed(one: Wanted, *, dry_run: bool, key: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"host": one.host, "notes": one.notes}
    if one.object is None:
        return row | {"outcome": "left out", "message": one.lacks}
    if dry_run:
        return row | {"outcome": "would be proposed", "object": one.object}
    return row | {"outcome": "proposed", "message": " ".join(told(propose_change("target", one.object, key)))}


def line(row: dict[str, Any]) -> str:
    """One row of the report, and what a person should know of it below."""
    if row["outcome"] == "refused":
        return f"refused    {row['file']}:{row['line']}: {row['message']}"
    where = row.get("object")
    more = f"{where['address']}:{where['port']}" if where else row.get("message", "")
    return "\n".join([f"{row['outcome']:<18} {row['host']:<30} {more}", *(f"    {note}" for note in row["notes"])])
