"""Asking for access on the command line, and answering: what is granted is shown, narrowed and signed here."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED, TOTP, ask, json_of, proof, show
from opsportal.cli.statements import about

ROOT = "/api/v1/access-requests/"
FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
JSON = click.option("--json", "as_json", is_flag=True)
REASON = click.option("--reason", required=True)
DAYS = click.option("--days", default=30, show_default=True)


def line(row: dict[str, Any]) -> str:
    where = ",".join(row["environments"]) or "everywhere"
    what = row["procedure"] or "more time"
    said = f"  {row['answer']}" if row["answer"] else ""
    return f"{row['id']}  {row['state']:<9} {row['for']:<20} {','.join(row['verbs'])} {what} in {where}{said}"


def made(body: dict[str, Any], *, as_json: bool) -> None:
    row = ask("POST", ROOT, body)
    found = ask("GET", f"{ROOT}{row['id']}/")
    who = ", ".join(found["deciders"]) or "nobody yet: a second access manager is needed"
    rows = [f"Asked: {row['id']}.", f"Could decide it: {who}. Unanswered, it lapses on {row['lapses_at'][:10]}."]
    show(found, as_json=as_json, rows=rows)


@click.command("request")
@click.argument("procedure")
@click.option("--environment", "environments", multiple=True, required=True)
@click.option("--verb", "verbs", multiple=True, default=["run"], show_default=True)
@DAYS
@REASON
@click.option("--group", default="", help="Ask for a group of yours instead of yourself.")
@JSON
def request_access(
    procedure: str,
    environments: tuple[str, ...],
    verbs: tuple[str, ...],
    days: int,
    reason: str,
    group: str,
    as_json: bool,
) -> None:
    """Ask for access to PROCEDURE."""
    wish = {"procedure": procedure, "verbs": verbs, "environments": environments, "days": days, "reason": reason}
    made(wish | ({"group": group} if group else {}), as_json=as_json)


@click.command()
@click.argument("grant")
@DAYS
@REASON
@JSON
def extend(grant: str, days: int, reason: str, as_json: bool) -> None:
    """Ask for access of yours again, from its end on."""
    made({"extends": grant, "days": days, "reason": reason}, as_json=as_json)


@click.command("requests")
@click.option("--state", help="open, proposed, granted, refused, withdrawn or lapsed.")
@JSON
def list_requests(state: str | None, as_json: bool) -> None:
    """What was asked for, as far as you may see it."""
    found = ask("GET", ROOT, params={"state": state} if state else {})
    show(found, as_json=as_json, rows=[line(row) for row in found["results"]] or ["No access requests."])


@click.command()
@click.argument("request")
@click.option("--verb", "verbs", multiple=True, help="Only these of the verbs that were asked for.")
@click.option("--environment", "environments", multiple=True, help="Only these of the environments.")
@click.option("--days", type=int, help="For fewer days.")
@click.option("--targets", help="A filter that targets must match too.")
@click.option("--constraint", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A JSON Schema.")
@click.option("--reason", help="What stands in the grant, if not what the asker wrote.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@TOTP
@JSON
def answer(request: str, key: str | None, totp: bool, as_json: bool, **less: Any) -> None:
    """Grant what was asked for in REQUEST, or less."""
    found = ask("GET", f"{ROOT}{request}/")
    if "offer" not in found:
        click.echo(f"You cannot decide this request; it is {found['state']}.", err=True)
        raise SystemExit(FAILED)
    thing = narrowed(found["offer"], **less)
    asked = ask("POST", "/api/v1/controls/statement/", {"control": "grant", "object": thing})
    statement = about(asked, "control", control="grant", object=thing)
    click.echo(json.dumps(asked["value"], indent=2, ensure_ascii=False), err=True)
    body = {"object": thing, "signature": proof(statement, key, totp=totp)}
    row = ask("POST", f"{ROOT}{request}/grant/", body)
    waits = row["waiting_change"]
    rest = f"; another person confirms it: opsportal control confirm {waits}" if waits else ""
    show(row, as_json=as_json, rows=[f"The request is {row['state']}{rest}"])


def narrowed(
    offer: dict[str, Any],
    *,
    verbs: tuple[str, ...],
    environments: tuple[str, ...],
    days: int | None,
    targets: str | None,
    constraint: Path | None,
    reason: str | None,
) -> dict[str, Any]:
    """The offered grant with what was said on the command line; the portal refuses what is wider."""
    thing = dict(offer)
    if days is not None:
        begins = datetime.strptime(thing["not_before"], FORMAT).replace(tzinfo=UTC)
        thing["expires_at"] = (begins + timedelta(days=days)).strftime(FORMAT)
    said = {"verbs": list(verbs), "environments": list(environments), "target_filter": targets, "reason": reason}
    thing |= {name: value for name, value in said.items() if value}
    return thing | ({"constraint": json_of(constraint)} if constraint else {})


@click.command()
@click.argument("request")
@REASON
def refuse(request: str, reason: str) -> None:
    """Refuse what was asked for; the asker reads the reason."""
    click.echo(f"The request is {ask('POST', f'{ROOT}{request}/refuse/', {'reason': reason})['state']}.")


@click.command()
@click.argument("request")
def withdraw(request: str) -> None:
    """Take back what you asked for."""
    click.echo(f"The request is {ask('POST', f'{ROOT}{request}/withdraw/', {})['state']}.")


COMMANDS = (request_access, extend, list_requests, answer, refuse, withdraw)
