"""Workloads at the command line: signing in by a token of one's own platform, and what is trusted here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from opsportal.cli.portal import DENIED, FAILED, NO_PORTAL, USAGE, ask, keep_bearer, show, url

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
MOUNTED = Path("/var/run/secrets/opsportal/token")
NONE_HERE = (
    "No workload token is here. On GitHub give the job `permissions: id-token: write`; in Kubernetes mount a projected "
    f"token at {MOUNTED} or name its file in OPSPORTAL_WORKLOAD_TOKEN_FILE; elsewhere set OPSPORTAL_WORKLOAD_TOKEN."
)


def enter(file: Path | None, rule: str, scope: str, audience: str) -> None:
    """Exchange the workload's token for a short one of the portal, and keep it as the session of this machine."""
    token = found(file, audience or url())
    form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": JWT, "rule": rule, "scope": scope}
    answer = asked("POST", f"{url()}/api/v1/token/exchange/", data={k: v for k, v in form.items() if v})
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code != 200:
        told(body.get("error_description", f"The portal answered {answer.status_code}."), answer.status_code)
    keep_bearer(body["access_token"])
    click.echo(f"Signed in as a workload for {body['expires_in'] // 60} minutes: {body['scope']}.")


def found(file: Path | None, audience: str) -> str:
    """The token of this workload: of a file, the environment, GitHub's door for jobs, or a mounted file."""
    if file is not None:
        return file.read_text().strip()
    if named := os.environ.get("OPSPORTAL_WORKLOAD_TOKEN_FILE"):
        return of_file(Path(named))
    if token := os.environ.get("OPSPORTAL_WORKLOAD_TOKEN"):
        return token.strip()
    if door := os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        return of_github(door, os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""), audience)
    if MOUNTED.exists():
        return of_file(MOUNTED)
    click.echo(NONE_HERE, err=True)
    raise SystemExit(USAGE)


def of_file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as problem:
        click.echo(f"{path} cannot be read: {problem.strerror}.", err=True)
        raise SystemExit(USAGE) from problem


def of_github(door: str, bearer: str, audience: str) -> str:
    """What GitHub gives a job that asks at the address in its environment, for this audience alone."""
    answer = asked("GET", door, params_more={"audience": audience}, headers={"Authorization": f"bearer {bearer}"})
    token = answer.json().get("value") if answer.status_code == 200 else None
    if not token:
        told(f"GitHub gave this job no token ({answer.status_code}): it needs `permissions: id-token: write`.", 403)
    return str(token)


def asked(method: str, address: str, *, params_more: Mapping[str, str] | None = None, **more: Any) -> Any:
    """An answer; its address may have parameters already. Ends the program where nobody answers."""
    import httpx

    try:
        with httpx.Client(timeout=60) as http:
            return http.request(method, httpx.URL(address).copy_merge_params(dict(params_more or {})), **more)
    except httpx.HTTPError as problem:
        click.echo(f"Cannot reach {httpx.URL(address).host}: {problem}.", err=True)
        raise SystemExit(NO_PORTAL) from problem


def told(message: str, status: int) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(DENIED if status in (400, 401, 403) else FAILED)


@click.group()
def workload() -> None:
    """Which workloads of which issuers become which service account."""


@workload.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_workloads(as_json: bool) -> None:
    """Trusted issuers and rules: every one for managers and auditors, else of your service accounts."""
    data = ask("GET", "/api/v1/workloads/")
    rows = [f"{one['name']:<20} {one['kind']:<10} {one['issuer']}" for one in data["issuers"]]
    for one in data["rules"]:
        claims = ", ".join(f"{name}={value}" for name, value in sorted(one["claims"].items()))
        last = (one["exchanges"] or [{"at": "never"}])[0]["at"][:16]
        reach = f"{', '.join(one['verbs'])} {', '.join(one['procedures'])} in {', '.join(one['environments'])}"
        rows.append(f"{one['name']:<20} {claims} of {one['issuer']}")
        rows.append(f"  becomes {one['account']['username']} for {one['seconds']} s: {reach}; last {last}")
    show(data, as_json=as_json, rows=rows or ["No issuer is trusted."])


@workload.command()
@click.argument("issuer")
@click.option("--name", required=True)
@click.option("--title", default="")
@click.option(
    "--kind", type=click.Choice(["github", "gitlab", "kubernetes", "other"]), default="other", show_default=True
)
@click.option("--pin", is_flag=True, help="Write the keys of today instead of their address: no later one counts.")
def discover(issuer: str, name: str, title: str, kind: str, pin: bool) -> None:
    """Ask ISSUER for its keys from this machine, and print the object for `control propose trusted_issuer FILE`.

    The portal itself discovers nothing: what is signed is what it asks.
    """
    from procedures.domain.workloads import ALGORITHMS, PUBLIC_PARTS

    document = json_at(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer:
        told(f"It calls itself {document.get('issuer')!r}, letter by letter another name: use that.", 403)
    offered = document.get("id_token_signing_alg_values_supported") or ["RS256"]
    made: dict[str, Any] = {"name": name, "title": title or name, "kind": kind, "issuer": issuer, "action": "set"}
    made["algorithms"] = [one for one in ALGORITHMS if one in offered]
    if pin:
        rows = json_at(document["jwks_uri"])["keys"]
        made["keys"] = [{part: row[part] for part in PUBLIC_PARTS if part in row} for row in rows]
    else:
        made["jwks_uri"] = document["jwks_uri"]
    show(made, as_json=True)
    sys.stderr.write("Compare it with the issuer's documentation before you sign it.\n")


def json_at(address: str) -> dict[str, Any]:
    answer = asked("GET", address)
    body = answer.json() if answer.status_code == 200 else None
    if not isinstance(body, dict):
        told(f"{address} answered {answer.status_code}, and no JSON object.", 500)
    return body
