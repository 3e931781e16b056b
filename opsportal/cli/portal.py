"""Talking to a portal over its public API, and saying in plain words what it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from opsportal.cli.terminal import told_json

FAILED, USAGE, DENIED, WAITING, NO_PORTAL = 1, 2, 3, 4, 5
SIGN_IN = "Sign in with `opsportal login`, or set OPSPORTAL_TOKEN."


def url() -> str:
    return os.environ.get("OPSPORTAL_URL", "http://localhost:8000").rstrip("/")


def kept() -> Path:
    """Where the session of `opsportal login` lies, for its owner alone."""
    folder = Path(os.environ.get("OPSPORTAL_CONFIG_DIR", str(Path.home() / ".config" / "opsportal")))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / "session.json"


def client() -> Any:
    """An httpx client with a token or the kept session."""
    import httpx

    headers, cookies = {"Referer": url() + "/", "Accept": "application/json"}, {}
    token = os.environ.get("OPSPORTAL_TOKEN")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    elif kept().exists():
        session = json.loads(kept().read_text())
        if session["url"] == url() and "bearer" in session:
            headers["Authorization"] = f"Bearer {session['bearer']}"
        elif session["url"] == url():
            cookies, headers["X-CSRFToken"] = session["cookies"], session["csrf"]
    return httpx.Client(base_url=url(), headers=headers, cookies=cookies, timeout=60)


def kept_cookies() -> dict[str, str]:
    """The cookies of the kept session, if it is of this portal."""
    session = json.loads(kept().read_text()) if kept().exists() else {}
    return dict(session.get("cookies", {})) if session.get("url") == url() else {}


def keep(cookies: Mapping[str, str], csrf: str) -> None:
    _keep({"url": url(), "cookies": dict(cookies), "csrf": csrf})


def keep_bearer(token: str) -> None:
    """A workload's short token in the place of a session, until it is over."""
    _keep({"url": url(), "bearer": token})


def _keep(session: Mapping[str, Any]) -> None:
    fd = os.open(kept(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(session, file)


def ask(method: str, path: str, data: Any = None, **more: Any) -> Any:
    """The answer's JSON (or bytes). Ends the program with the promised exit code on a refusal."""
    import httpx

    try:
        with client() as http:
            answer = (
                http.request(method, path, json=data, **more)
                if data is not None
                else http.request(method, path, **more)
            )
    except httpx.HTTPError as problem:
        click.echo(f"Cannot reach the portal at {url()}: {problem}. Is it running? Set OPSPORTAL_URL.", err=True)
        raise SystemExit(NO_PORTAL) from problem
    if answer.status_code >= 400:
        refused(answer)
    return answer.json() if "json" in answer.headers.get("content-type", "") else answer.content


def download(method: str, path: str, data: Any, output: Path) -> int:
    """Write an answer's bytes into a file as they come; how many there were. A file of before stays until they are all
    here. Ends the program like `ask` on a refusal.
    """
    import httpx

    part = output.with_name(output.name + ".part")
    try:
        with client() as http, http.stream(method, path, json=data, timeout=None) as answer:
            if answer.status_code >= 400:
                answer.read()
                refused(answer)
            with part.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
    except httpx.HTTPError as problem:
        part.unlink(missing_ok=True)
        click.echo(f"The portal at {url()} did not send all of it: {problem}. Try again.", err=True)
        raise SystemExit(NO_PORTAL) from problem
    part.replace(output)
    return output.stat().st_size


def refused(answer: Any) -> NoReturn:
    try:
        body = answer.json()
    except ValueError:
        click.echo(f"The portal answered {answer.status_code}.", err=True)
        raise SystemExit(FAILED) from None
    rows = [f"{row['pointer'] or '/'}: {row['message']}" for row in body.get("errors", [])]
    detail = body.get("detail", "Refused.")
    told = rows if detail == "; ".join(rows) else [detail, *(f"  {row}" for row in rows)]
    step = SIGN_IN if answer.status_code == 401 else body.get("next_step", "")
    click.echo("\n".join([*told, *([step] if step else [])]), err=True)
    raise SystemExit(DENIED if answer.status_code in (401, 403) else FAILED)


def json_of(path: Path) -> dict[str, Any]:
    """The object that stands in a JSON file. A usage error with the place if there is none."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError as problem:
        raise click.UsageError(f"{path} is no JSON: {problem}.") from problem
    if not isinstance(found, dict):
        raise click.UsageError(f"{path} holds no JSON object; write {{…}}.")
    return found


def show(data: Any, *, as_json: bool, rows: list[str] | None = None) -> None:
    """Data as JSON, or the given lines."""
    click.echo(told_json(data) if as_json else "\n".join(rows or []))


def run_id(text: str) -> str:
    """A run's id from its id or its number (`12`, `#12`)."""
    number = text.removeprefix("#")
    if not number.isdigit():
        return text
    for row in ask("GET", "/api/v1/runs/", params={"no": int(number)})["results"]:
        return str(row["id"])
    click.echo(f"You see no run #{number}.", err=True)
    raise SystemExit(FAILED)


TOTP = click.option("--totp", is_flag=True, help="Ask for a code of your app, where that is strong enough.")


def proof(statement: str, key: str | None, *, totp: bool) -> dict[str, str] | None:
    """What a decision goes with: a signature, a code that is asked for, or None for the session alone."""
    if totp and key is not None:
        click.echo("Give --key or --totp, not both: a signature is the stronger of the two.", err=True)
        raise SystemExit(USAGE)
    if totp:
        return {"totp": str(click.prompt("Code of your app", err=True)).strip()}
    return signed(statement, key)


def signed(statement: str, key: str | None) -> dict[str, str] | None:
    """The statement signed with an SSH key by ssh-keygen (a .pub asks the agent); None without a key."""
    import base64
    import subprocess

    if key is None:
        return None
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", "opsportal-approval", "-f", key],
        input=base64.b64decode(statement),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        click.echo(f"ssh-keygen could not sign with {key}: {done.stderr.decode().strip()}", err=True)
        raise SystemExit(FAILED)
    return {"statement": statement, "signature": done.stdout.decode()}
