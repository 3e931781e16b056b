"""`opsportal target import`: the hosts that a team has in its files, proposed as targets of one environment."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from opsportal.cli.access import confirm_with, propose_change, told
from opsportal.cli.portal import DENIED, FAILED, ask, client
from procedures.domain.importing import ImportRefused
from procedures.domain.inventory import Inventory
from procedures.domain.sshkeys import fingerprint
from procedures.domain.trust import LEVELS
from procedures.inventories.reading import FORMS, read
from procedures.inventories.targets import Wanted, unknown, wanted

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
AT_ONCE = 32
SAME = ("address", "port", "trust", "tags")


@dataclass(slots=True)
class Standing:
    """What the portal has: live targets by name, and the objects that wait for somebody else."""

    targets: dict[str, dict[str, Any]]
    waiting: list[dict[str, Any]]


@click.command("import")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FILE)
@click.option("--environment", required=True)
@click.option("--format", "form", type=click.Choice(FORMS), help="If it is not told well by what stands in the file.")
@click.option("--known-hosts", type=FILE, help="Where the hosts' keys are known; ~/.ssh/known_hosts if left out.")
@click.option("--scan", is_flag=True, help="Ask hosts whose key is not known; you compare the fingerprints, once.")
@click.option("--tag", "tags", metavar="NAME=VALUE", multiple=True, help="A tag for each of them; may repeat.")
@click.option("--trust", type=click.Choice(LEVELS), help="What is there already stays as it is; a new host: key.")
@click.option("--dry-run", is_flag=True, help="Say what would be proposed; needs no portal.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@click.option("--yes", is_flag=True, help="With --scan: the fingerprints were compared already.")
@click.option("--json", "as_json", is_flag=True)
def import_targets(files: tuple[Path, ...], environment: str, as_json: bool, **given: Any) -> None:
    """Propose hosts of Ansible's inventories, ssh's configuration, known_hosts, a table or a plain list.

    Secrets in them stay behind; what is the same already is left alone, so it can be run again.
    Ends 1 if a file is refused, or a host cannot be proposed.
    """
    rows: list[dict[str, Any]] = []
    found = list(_read(files, given["form"], rows))
    seen = _keys(found, given["known_hosts"])
    if given["scan"]:
        seen += _scanned(found, seen, yes=given["yes"])
    tags = dict(_tag(word) for word in given["tags"])
    standing = Standing({}, []) if given["dry_run"] else _standing(environment)
    ids: list[str] = []
    for file, inventory in found:
        for one in wanted(inventory, environment, seen, given["trust"] or "", tags):
            row = _proposed(one, standing, dry_run=given["dry_run"], key=given["key"])
            ids += [row["change"]] if row.get("state") == "proposed" else []
            rows.append({"file": str(file), **row})
    click.echo(json.dumps(rows, indent=2, ensure_ascii=False) if as_json else "\n".join(map(line, rows)))
    if not as_json:
        click.echo(counted(row["outcome"] for row in rows) + confirm_with(ids, "target"))
    if any(row["outcome"] in {"refused", "left out"} for row in rows):
        raise SystemExit(FAILED)


def counted(outcomes: Iterable[str]) -> str:
    """`28 proposed, 2 left out.`"""
    found: dict[str, int] = {}
    for one in outcomes:
        found[one] = found.get(one, 0) + 1
    return ", ".join(f"{number} {word}" for word, number in found.items()) + "." if found else "No host was found."


def _read(files: Iterable[Path], form: str | None, rows: list[dict[str, Any]]) -> Iterable[tuple[Path, Inventory]]:
    for file in files:
        try:
            yield file, read(file.name, file.read_bytes(), form or "")
        except ImportRefused as problem:
            rows.append({"file": str(file), "outcome": "refused", "line": problem.line, "message": problem.message})


def _keys(found: Iterable[tuple[Path, Inventory]], given: Path | None) -> str:
    """What is known of the hosts' keys: the person's own file, and each file that is itself one of known hosts."""
    place = given or Path.home() / ".ssh" / "known_hosts"
    files = [place, *(file for file, _ in found)]
    return "\n".join(file.read_text(errors="replace") for file in files if file.is_file()) + "\n"


def _tag(word: str) -> tuple[str, str]:
    name, mark, value = word.partition("=")
    if not name or not mark:
        raise click.UsageError(f"--tag {word!r} is not NAME=VALUE.")
    return name, value


def _scanned(found: Iterable[tuple[Path, Inventory]], seen: str, *, yes: bool) -> str:
    """Lines of known_hosts for hosts whose key nobody knew, once a person has said that they are right."""
    from procedures.ssh.transport import Unreachable, shown_key

    def shown(place: tuple[str, int]) -> str:
        try:
            return shown_key(*place)
        except Unreachable:
            return ""

    places = list(dict.fromkeys(place for _, inventory in found for place in unknown(inventory, seen)))
    if not places:
        return ""
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(places))) as pool:
        keys = {place: key for place, key in zip(places, pool.map(shown, places), strict=True) if key}
    for (address, port), key in keys.items():
        click.echo(f"{address}:{port:<6} {key.split()[0]:<20} {fingerprint(key)}", err=True)
    for address, port in places:
        if (address, port) not in keys:
            click.echo(f"{address}:{port:<6} does not answer", err=True)
    if keys and not yes:
        click.echo("Whoever stands between could show another key: compare them with what the hosts say", err=True)
        click.echo("on their own console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub).", err=True)
        click.confirm(f"Are these {len(keys)} right?", abort=True, err=True)
    return "".join(f"[{a}]:{p} {key}\n" if p != 22 else f"{a} {key}\n" for (a, p), key in keys.items())


def _standing(environment: str) -> Standing:
    rows = ask("GET", f"/api/v1/targets/?{urlencode({'environment': environment})}")["results"]
    with client() as http:  # who decides no changes is shown none: then nothing is known to wait
        answer = http.get("/api/v1/controls/")
    changes = answer.json()["results"] if answer.status_code == 200 else []
    waiting = [row["object"] for row in changes if row["control"] == "target" and row["state"] == "proposed"]
    return Standing({row["name"]: row for row in rows}, waiting)


def _proposed(one: Wanted, standing: Standing, *, dry_run: bool, key: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"host": one.host, "notes": one.notes}
    if one.object is None:
        return row | {"outcome": "left out", "message": one.lacks}
    known = standing.targets.get(one.host, {})
    one.object["trust"] = one.object["trust"] or known.get("trust", "key")
    if dry_run:
        return row | {"outcome": "would be proposed", "object": one.object}
    if known and _same(known, one.object):
        return row | {"outcome": "the same already", "message": ""}
    if one.object in standing.waiting:
        return row | {"outcome": "waits already", "message": "another person confirms it"}
    try:
        found = propose_change("target", one.object, key, shown=False)
    except SystemExit as ended:
        if ended.code == DENIED:
            raise
        return row | {"outcome": "refused", "message": "the portal said why above"}
    return row | {"outcome": found["state"], "state": found["state"], "change": found["id"], "message": told(found)[0]}


def _same(known: dict[str, Any], object: dict[str, Any]) -> bool:
    return all(known[name] == object[name] for name in SAME) and known["host_key"] == fingerprint(object["host_key"])


def line(row: dict[str, Any]) -> str:
    """One row of the report, and what a person should know of it below."""
    if row["outcome"] == "refused" and "host" not in row:
        return f"refused    {row['file']}:{row['line']}: {row['message']}"
    where = row.get("object")
    more = f"{where['address']}:{where['port']}" if where else row.get("message", "")
    more = "" if row.get("state") else more
    return "\n".join([f"{row['outcome']:<18} {row['host']:<30} {more}".rstrip(), *(f"    {n}" for n in row["notes"])])
