"""For authors: submit a folder, and name a version that was submitted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask, show

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("path", type=FOLDER)
@click.option("--note", default="", help="What changed and why, for reviewers.")
@click.option("--draft", is_flag=True, help="Keep it for yourself, to run it before anybody reviews it.")
@click.option("--wait", is_flag=True, help="Wait for its tests in the portal's pool; ends 1 if one fails.")
@click.option("--json", "as_json", is_flag=True)
def submit(path: Path, note: str, draft: bool, wait: bool, as_json: bool) -> None:
    """Put a folder into review; its tests run in the portal, in a pool that holds no key."""
    from procedures.definitions.archive import pack, read_folder

    parts = {
        "bundle": ("bundle.tar.gz", pack(read_folder(path))),
        "note": (None, note),
        "draft": (None, "true" if draft else "false"),
    }
    found = ask("POST", "/api/v1/versions/", files=parts)
    state = "your draft" if draft else "in review"
    rows = [f"{found['procedure']} v{found['number']} is {state}, risk {found['risk']}."]
    rows += [f"  {reason}" for reason in found["risk_reasons"]] + policy_rows(found) + [found["digest"]]
    if wait:
        found = tested(found["id"])
        rows += test_rows(found["trials"][0])
    show(found, as_json=as_json, rows=rows)
    if wait and found["tests"]["state"] not in {"passed", "none"}:
        raise SystemExit(FAILED)


def tested(version: str) -> dict[str, Any]:
    """The version, once its tests have ended; as it stands after seven minutes."""
    until = time.monotonic() + 420
    while True:
        found: dict[str, Any] = ask("GET", f"/api/v1/versions/{version}/")
        if found["tests"]["state"] not in {"waiting", "running"} or time.monotonic() > until:
            return found
        time.sleep(1)


def test_rows(trial: dict[str, Any]) -> list[str]:
    """The tests as `opsportal test` tells them."""
    rows = [f"{'ok  ' if row['ok'] else 'FAIL'}  {row['test']}: {row['told']}" for row in trial["results"]]
    if trial["state"] == "none":
        return ["It brings no tests; write one, so that reviewers see what it does."]
    return rows or [f"Its tests are {trial['state']}. {trial['message']}".strip()]


def policy_rows(found: dict[str, Any]) -> list[str]:
    """What the policies in force say of a version or run, a line each; none where no policy is concerned."""
    said = found.get("policy") or {"denied": (), "warned": (), "required": {}}
    rows = [f"policy refuses  {row['policy']}: {row['message']!r}" for row in said["denied"]]
    rows += [f"policy warns    {row['policy']}: {row['message']!r}" for row in said["warned"]]
    return rows + [f"policy asks for {count} × {duty}" for duty, count in said["required"].items()]


def the_version(text: str) -> dict[str, Any]:
    """The one version that NAME@DIGEST names; a part of the digest is enough. Ends 1 if it is not one."""
    name, _, digest = text.partition("@")
    rows = ask("GET", "/api/v1/versions/", params={"procedure": name})["results"]
    digest = digest.removeprefix("sha256:")
    fitting = [r for r in rows if r["digest"].removeprefix("sha256:").startswith(digest)] if digest else []
    if len({r["digest"] for r in fitting}) == 1:
        fitting = fitting[:1]  # the same bytes sent again: the newest of them
    if len(fitting) != 1:
        click.echo(f"{text!r} names {len(fitting)} versions that you may see; write NAME@DIGEST.", err=True)
        for row in rows:
            click.echo(f"  {name}@{row['digest'][7:19]}  v{row['number']} {row['state'].replace('_', ' ')}", err=True)
        raise SystemExit(FAILED)
    found: dict[str, Any] = fitting[0]
    return found
