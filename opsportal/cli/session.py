"""Signing in, joining, and the first access manager."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from opsportal.cli import workloads
from opsportal.cli.portal import FAILED, ask, client, keep, url


def password(from_stdin: bool, *, twice: bool = False) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    text: str = click.prompt("Password", hide_input=True, confirmation_prompt=twice)
    return text


@click.command()
@click.option("--username", help="Asked for if it is not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option(
    "--step-up", is_flag=True, help="Prove a second factor for the session that is there: good for 15 minutes."
)
@click.option("--key", help="With --step-up: SSH key file to sign with, instead of a code; a .pub asks the agent.")
@click.option("--browser", is_flag=True, help="Sign in on the page, and paste the code that it shows.")
@click.option("--workload", is_flag=True, help="As a pipeline or pod: exchange the token of one's own platform.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --workload: its token. Default: GitHub's, a mounted one, or OPSPORTAL_WORKLOAD_TOKEN[_FILE].",
)
@click.option("--rule", default="", help="With --workload: the rule, where several would fit.")
@click.option(
    "--scope", default="", help="With --workload: less than the rule gives, as `verb:run environment:staging`."
)
@click.option("--audience", default="", help="With --workload: the portal's own address, if it is not OPSPORTAL_URL.")
def login(
    username: str | None,
    password_stdin: bool,
    step_up: bool,
    key: str | None,
    browser: bool,
    workload: bool,
    **more: Any,
) -> None:
    """Sign in for 8 hours at most, a workload for minutes; the session is kept for its owner alone."""
    if workload:
        workloads.enter(more["token_file"], more["rule"], more["scope"], more["audience"])
        return
    if step_up:
        _step_up(key)
        return
    if browser:
        click.echo(f"Open {url()}/cli-login/ where you are signed in, and copy the code that it shows.", err=True)
        _begin("/api/v1/session/code/", {"code": click.prompt("Code", hide_input=True, err=True).strip()})
        return
    _sign_in(username or click.prompt("Username"), password_stdin)


def _step_up(key: str | None) -> None:
    """The same session, known to be in its owner's hands for a while."""
    import httpx

    from opsportal.cli.portal import kept_cookies, proof, refused
    from opsportal.cli.statements import about

    try:
        with client() as http:
            asked = http.get("/api/v1/session/step-up/")
            if asked.status_code != 200:
                refused(asked)
            given = proof(about(asked.json(), "step-up"), key, totp=key is None)
            answer = http.post("/api/v1/session/step-up/", json={"signature": given})
            if answer.status_code != 200:
                refused(answer)
            keep({**kept_cookies(), **asked.cookies, **answer.cookies}, answer.json()["csrf"])
    except httpx.HTTPError as problem:
        click.echo(f"Cannot reach the portal at {url()}: {problem}. Is it running? Set OPSPORTAL_URL.", err=True)
        raise SystemExit(5) from problem
    click.echo(f"Proved ({answer.json()['strength']}), until {answer.json()['until'][:16]} UTC.")


def _sign_in(username: str, password_stdin: bool) -> None:
    _begin("/api/v1/session/", {"username": username, "password": password(password_stdin)})


def _begin(path: str, given: dict[str, str]) -> None:
    import httpx

    from opsportal.cli.portal import kept_cookies

    try:
        with client() as http:
            answer = http.post(path, json=given)
            if answer.status_code == 200:
                keep({**kept_cookies(), **answer.cookies}, answer.json()["csrf"])
    except httpx.HTTPError as problem:
        click.echo(f"Cannot reach the portal at {url()}: {problem}. Is it running? Set OPSPORTAL_URL.", err=True)
        raise SystemExit(5) from problem
    if answer.status_code != 200:
        click.echo(answer.json().get("detail", "Refused."), err=True)
        raise SystemExit(3 if answer.status_code == 403 else FAILED)
    click.echo(f"Signed in as {answer.json()['username']}.")


@click.command()
@click.argument("link")
@click.option("--password-stdin", is_flag=True)
def join(link: str, password_stdin: bool) -> None:
    """Accept an invitation."""
    token = link.strip("/").rpartition("/")[2]
    person = ask("POST", "/api/v1/join/", {"token": token, "password": password(password_stdin, twice=True)})
    click.echo(f"Welcome, {person['name']}. Sign in with `opsportal login --username {person['username']}`.")


@click.command()
@click.argument("link")
@click.option("--username", prompt=True)
@click.option("--name", prompt=True)
@click.option("--public-key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--password-stdin", is_flag=True)
def welcome(link: str, username: str, name: str, public_key: Path | None, password_stdin: bool) -> None:
    """Become the first access manager, by the one-time link that `up` prints."""
    data = {
        "token": link.strip("/").rpartition("/")[2],
        "username": username,
        "name": name,
        "password": password(password_stdin, twice=True),
        "public_key": public_key.read_text() if public_key else "",
    }
    person = ask("POST", "/api/v1/welcome/", data)
    click.echo(f"{person['name']} is the first access manager. Sign in with `opsportal login`.")
