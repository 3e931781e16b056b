"""Campaigns on the command line: open one, see what each grant was used for, keep, narrow or revoke."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from opsportal.cli.access_requests import FORMAT, JSON, REASON
from opsportal.cli.portal import FAILED, TOTP, USAGE, ask, proof, show
from opsportal.cli.statements import about

ROOT = "/api/v1/campaigns/"
KEY = click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")


@click.group()
def campaign() -> None:
    """Look at grants again; what nobody decides lapses."""


def signature(control: str, thing: dict[str, Any], key: str | None, *, totp: bool) -> dict[str, str] | None:
    """The proof over this very object. Ends the program where the portal words another one."""
    asked = ask("POST", "/api/v1/controls/statement/", {"control": control, "object": thing})
    statement = about(asked, "control", control=control, object=thing)
    click.echo(json.dumps(asked["value"], indent=2, ensure_ascii=False), err=True)
    return proof(statement, key, totp=totp)


def line(row: dict[str, Any]) -> str:
    left = row["progress"].get("undecided", 0)
    return f"{row['id']}  {row['state']:<6} due {row['due_at'][:10]}  {left} of {row['count']} undecided  {row['name']}"


@campaign.command("open")
@click.argument("name")
@click.option("--days", default=14, show_default=True, help="Until it is due.")
@click.option("--reviewer", "reviewers", multiple=True, required=True)
@click.option("--owner", default="", help="Only what this person gave.")
@click.option("--procedure", default="")
@click.option("--label", default="")
@click.option("--group", default="")
@click.option("--person", default="")
@click.option("--environment", default="")
@KEY
@TOTP
@JSON
def open_campaign(
    name: str, days: int, reviewers: tuple[str, ...], key: str | None, totp: bool, as_json: bool, **select: str
) -> None:
    """Open a campaign over the grants that hold now and fit every option."""
    due = (datetime.now(UTC) + timedelta(days=days)).strftime(FORMAT)
    wanted = {name: value for name, value in select.items() if value}
    body = {"name": name, "due_at": due, "reviewers": reviewers, "select": wanted}
    thing = ask("POST", f"{ROOT}offer/", body)["object"]
    row = ask("POST", ROOT, {"object": thing, "signature": signature("campaign", thing, key, totp=totp)})
    show(row, as_json=as_json, rows=[line(row)])


@campaign.command("list")
@JSON
def list_campaigns(as_json: bool) -> None:
    """Campaigns, newest first."""
    found = ask("GET", ROOT)
    show(found, as_json=as_json, rows=[line(row) for row in found["results"]] or ["No campaigns."])


@campaign.command("show")
@click.argument("campaign_id")
@click.option("--undecided", is_flag=True)
@click.option("--csv", "as_csv", is_flag=True, help="The result, one line for each grant.")
@JSON
def show_campaign(campaign_id: str, undecided: bool, as_csv: bool, as_json: bool) -> None:
    """The grants of a campaign, and what they were used for."""
    if as_csv:
        click.echo(ask("GET", f"{ROOT}{campaign_id}/results/").decode(), nl=False)
        return
    rows: list[dict[str, Any]] = []
    more = "?undecided=1" if undecided else ""
    while True:
        part = ask("GET", f"{ROOT}{campaign_id}/grants/{more}")
        rows += part["results"]
        if not part["next"]:
            break
        more = part["next"] + ("&undecided=1" if undecided else "")
    show({"results": rows}, as_json=as_json, rows=[told(row) for row in rows] or ["Nothing is left."])


def told(row: dict[str, Any]) -> str:
    grant, use = row["grant"], row["use"]
    last = f"{use['runs']} runs, last {use['last_at'][:10]}" if use["last_at"] else "never used"
    idle = ", unused for 90 days" if use["unused_90_days"] else ""
    where = ",".join(grant["environments"]) or "everywhere"
    what = grant["procedure"] or "every procedure"
    head = f"{grant['id']}  {row['decision']:<9} {grant['principal']:<18}"
    return f"{head} {','.join(grant['verbs'])} {what} in {where}; {last}{idle}"


@campaign.command()
@click.argument("campaign_id")
@click.option("--keep", "kept", multiple=True, metavar="GRANT", help="Keep it as it is; may be repeated.")
@click.option("--revoke", "revoked", metavar="GRANT", help="End it now.")
@click.option("--narrow", "narrowed", metavar="GRANT", help="Put less in its place; say what with the next options.")
@click.option("--verb", "verbs", multiple=True)
@click.option("--environment", "environments", multiple=True)
@click.option("--days", type=int)
@REASON
@KEY
@TOTP
def decide(
    campaign_id: str,
    kept: tuple[str, ...],
    revoked: str | None,
    narrowed: str | None,
    verbs: tuple[str, ...],
    environments: tuple[str, ...],
    days: int | None,
    reason: str,
    key: str | None,
    totp: bool,
) -> None:
    """Keep, narrow or revoke grants of a campaign."""
    if sum(map(bool, (kept, revoked, narrowed))) != 1:
        click.echo("Give one of --keep, --narrow and --revoke.", err=True)
        raise SystemExit(USAGE)
    here = f"{ROOT}{campaign_id}/"
    if narrowed:
        thing = _less(here, narrowed, verbs, environments, days) | {"reason": reason}
        found = ask("POST", f"{here}narrow/", {"object": thing, "signature": signature("grant", thing, key, totp=totp)})
        waits = "" if found["decision"] else f"; it waits: opsportal control confirm {found['change']['id']}"
        click.echo(f"Narrowed{waits}.")
        return
    grants = [revoked] if revoked else list(kept)
    control = "grant_end" if revoked else "campaign_keep"
    thing = (
        {"grant": revoked, "reason": reason}
        if revoked
        else {"campaign": campaign_id, "grants": grants, "reason": reason}
    )
    body = {"grants": grants, "reason": reason, "signature": signature(control, thing, key, totp=totp)}
    ask("POST", f"{here}{'revoke' if revoked else 'keep'}/", body)
    click.echo("Revoked." if revoked else f"Kept: {len(grants)}.")


def _less(
    here: str, grant: str, verbs: tuple[str, ...], environments: tuple[str, ...], days: int | None
) -> dict[str, Any]:
    """The grant as it stands, narrowed by what was said."""
    more = "?undecided=1"
    while True:
        part = ask("GET", f"{here}grants/{more}")
        found = [row["narrower"] for row in part["results"] if row["grant"]["id"] == grant]
        if found or not part["next"]:
            break
        more = part["next"] + "&undecided=1"
    if not found:
        click.echo("This campaign has no such undecided access.", err=True)
        raise SystemExit(FAILED)
    thing: dict[str, Any] = dict(found[0])
    thing |= {name: list(value) for name, value in (("verbs", verbs), ("environments", environments)) if value}
    if days is not None:
        begins = datetime.strptime(thing["not_before"], FORMAT).replace(tzinfo=UTC)
        thing["expires_at"] = (begins + timedelta(days=days)).strftime(FORMAT)
    return thing
