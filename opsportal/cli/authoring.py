"""For authors: lint a folder, submit it, and name a version that was submitted."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask, show
from procedures.definitions.findings import Finding

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=FOLDER)
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif", "github"]), default="text")
def lint(paths: tuple[Path, ...], form: str) -> None:
    """Check procedures' folders, without a portal. Ends 1 if there are errors."""
    findings = [finding for path in paths for finding in found_in(path, several=len(paths) > 1)]
    click.echo(written(findings, form))
    if any(f.severity == "error" for f in findings):
        raise SystemExit(FAILED)


def found_in(path: Path, *, several: bool) -> list[Finding]:
    """The findings of one folder; with several folders each file is named with its own."""
    from procedures.definitions import registry
    from procedures.definitions.archive import read_folder
    from procedures.definitions.load import load
    from procedures.domain.errors import OpsError

    try:
        findings = load(read_folder(path), registry.actions()).findings
    except OpsError as problem:
        findings = [Finding("procedure.yaml", 1, 1, problem.code, "error", problem.message, problem.next_step)]
    return [replace(f, file=f"{path.name}/{f.file}") for f in findings] if several else findings


def written(findings: list[Finding], form: str) -> str:
    """Findings as text, JSON, SARIF 2.1.0, or GitHub's workflow commands."""
    if form == "json":
        return json.dumps([f.as_dict() for f in findings], indent=2)
    if form == "github":
        return "\n".join(
            f"::{f.severity} file={f.file},line={f.line},col={f.column}::{f.code}: {f.message}" for f in findings
        )
    if form == "sarif":
        return json.dumps(sarif(findings), indent=2)
    return "\n".join(map(str, findings)) or "No findings."


def sarif(findings: list[Finding]) -> dict[str, Any]:
    results = [
        {
            "ruleId": f.code,
            "level": f.severity,
            "message": {"text": f"{f.message} {f.mend}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f.file},
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in findings
    ]
    tool = {
        "driver": {"name": "opsportal lint", "rules": [{"id": code} for code in sorted({f.code for f in findings})]}
    }
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{"tool": tool, "results": results}],
    }


@click.command()
@click.argument("path", type=FOLDER)
@click.option("--note", default="", help="What changed and why, for reviewers.")
@click.option("--wait", is_flag=True, help="Wait for its tests in the portal's pool; ends 1 if one fails.")
@click.option("--json", "as_json", is_flag=True)
def submit(path: Path, note: str, wait: bool, as_json: bool) -> None:
    """Put a folder into review; its tests run in the portal, in a pool that holds no key."""
    from procedures.definitions.archive import pack, read_folder

    parts = {"bundle": ("bundle.tar.gz", pack(read_folder(path))), "note": (None, note)}
    found = ask("POST", "/api/v1/versions/", files=parts)
    rows = [f"{found['procedure']} v{found['number']} is in review, risk {found['risk']}."]
    rows += [f"  {reason}" for reason in found["risk_reasons"]] + [found["digest"]]
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
        raise SystemExit(FAILED)
    found: dict[str, Any] = fitting[0]
    return found
