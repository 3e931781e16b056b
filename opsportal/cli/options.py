"""Choices of a parameter that come from elsewhere: asked for at the portal, waited for, and shown."""

from __future__ import annotations

import time
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask, show

PATIENCE_S = 60.0


def listed(name: str, environment: str, parameter: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The list as it stands once its source has answered, or has kept us waiting for a minute."""
    data = {"environment": environment, "parameter": parameter, "parameters": parameters}
    end = time.monotonic() + PATIENCE_S
    while True:
        found: dict[str, Any] = ask("POST", f"/api/v1/procedures/{name}/options/", data)
        if found["state"] != "asking" or time.monotonic() > end:
            return found
        time.sleep(0.5)


def load(name: str, environment: str, schema: dict[str, Any], parameters: dict[str, Any]) -> None:
    """Ask for each list that a given parameter must be in; whether it is, the portal says at the request."""
    from procedures.domain import options

    for key, source in options.sources(schema).items():
        if key in parameters and source.binds:
            listed(name, environment, key, parameters)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("parameter")
@click.option("--environment", required=True)
@click.option("--json", "as_json", is_flag=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def options(name: str, parameter: str, environment: str, as_json: bool, words: tuple[str, ...]) -> None:
    """The choices of a parameter: opsportal options NAME PARAMETER --environment E --OTHER value …"""
    from opsportal.cli.runs import flags

    schema = ask("GET", f"/api/v1/procedures/{name}/").get("parameters") or {}
    found = listed(name, environment, parameter, flags(list(words), schema))
    pairs = zip(found["values"], found["titles"], strict=True)
    rows = [title if str(value) == title else f"{value}  {title}" for value, title in pairs]
    show(found, as_json=as_json, rows=rows or [found["message"]])
    if found["state"] != "ready":
        raise SystemExit(FAILED)
