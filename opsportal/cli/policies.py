"""Policies: the tests beside them, the shipped ones with their settings, and a change that puts one in force."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from opsportal.cli.access import JSON, KEY, moment, propose_change, told
from opsportal.cli.portal import FAILED, ask, json_of, show

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
STAGES = ("submit", "request", "plan")
WARNS_FOR = timedelta(days=14, minutes=-1)


def made_of(command: Any) -> Any:
    """What a policy is made of, as options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


OPTIONS = (
    click.option("--file", type=FILE, help="A policy of your own: its Rego. Left out, NAME is a shipped one."),
    click.option(
        "--settings", type=FILE, help="Its settings, a file of JSON; defaults of a shipped one stand for the rest."
    ),
    click.option("--stage", "stages", multiple=True, type=click.Choice(STAGES), help="When it is asked; may repeat."),
    click.option("--environment", "environments", multiple=True, help="Only there; may repeat."),
)


@click.group()
def policy() -> None:
    """What nobody may accept, ask for or run."""


@policy.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path), required=False)
@JSON
def test(path: Path | None, as_json: bool) -> None:
    """Run the Rego tests at PATH, those of the shipped policies if left out. Ends 1 if one does not hold."""
    from procedures.policy import shipped, testing

    results = testing.run(path or shipped.FOLDER)
    rows = [{"file": row.file, "test": row.test, "ok": row.passed, "told": row.told} for row in results]
    lines = [
        f"{'ok  ' if row.passed else 'FAIL'}  {Path(row.file).name} {row.test}{f': {row.told}' if row.told else ''}"
        for row in results
    ]
    show(rows, as_json=as_json, rows=lines)
    if not rows or not all(row["ok"] for row in rows):
        raise SystemExit(FAILED)


@policy.command("list")
@JSON
def list_policies(as_json: bool) -> None:
    """Every policy of the portal: how it counts, when it is asked, and whether a change of it waits."""
    found = ask("GET", "/api/v1/policies/")
    rows = [
        f"{row['name']:<22} {row['mode']:<5} {','.join(row['stages']):<22} {row['title']}"
        f"{'  A CHANGE WAITS' if row['waiting_change'] else ''}"
        for row in found["results"]
    ]
    show(found, as_json=as_json, rows=rows)


@policy.command("try")
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True)
@made_of
@JSON
def try_policy(
    name: str,
    days: int,
    file: Path | None,
    settings: Path | None,
    stages: tuple[str, ...],
    environments: tuple[str, ...],
    as_json: bool,
) -> None:
    """What policy NAME would have refused in the last days, were it on. Nothing is kept. Ends 1 if it refuses any."""
    thing = _wanted(name, file, settings, stages, environments) | {"mode": "on"}
    found = ask("POST", "/api/v1/policies/past/", {"policy": thing, "days": days})
    refused = [row for row in found["found"] if row["refused"]]
    rows = [
        f"{row['at'][:16]}  {row['kind']:<8} #{row['no']:<6} {row['procedure']:<24} {row.get('environment', ''):<12} "
        f"{'; '.join([f'refused: {text}' for text in row['refused']] + row['more'])}"
        for row in found["found"]
    ]
    older = f"; {found['left_out']} older ones were not looked at" if found["left_out"] else ""
    rows.append(f"{len(refused)} of {found['looked_at']} would have been refused{older}.")
    show(found, as_json=as_json, rows=rows)
    if refused:
        raise SystemExit(FAILED)


@policy.command()
@JSON
def shipped(as_json: bool) -> None:
    """The policies that come with the product, with what their settings mean and are if nothing is said."""
    from procedures.policy import shipped as ours

    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    for one in ours.policies().values():
        settings = one.schema["properties"]
        rows.append({"name": one.name, "description": one.description, "stages": one.stages, "settings": settings})
        lines.append(f"{one.name}: {one.description} ({', '.join(one.stages)})")
        lines += [f"  {name}: {rules['title']} ({json.dumps(rules['default'])})" for name, rules in settings.items()]
    show(rows, as_json=as_json, rows=lines)


@policy.command("set")
@click.argument("name")
@click.argument("mode", type=click.Choice(["on", "warn", "off"]))
@made_of
@KEY
@JSON
def set_policy(
    name: str,
    mode: str,
    file: Path | None,
    settings: Path | None,
    stages: tuple[str, ...],
    environments: tuple[str, ...],
    key: str | None,
    as_json: bool,
) -> None:
    """Propose that policy NAME is on, off, or only warns for 14 days."""
    thing = _wanted(name, file, settings, stages, environments) | {"mode": mode}
    if mode == "warn":
        thing["warn_until"] = moment(datetime.now(UTC) + WARNS_FOR)
    found = propose_change("policy", thing, key)
    show(found, as_json=as_json, rows=told(found))


def _wanted(
    name: str, file: Path | None, settings: Path | None, stages: tuple[str, ...], environments: tuple[str, ...]
) -> dict[str, Any]:
    """The object but for its mode, as the options say it."""
    thing = _made(name, file, json_of(settings) if settings else {})
    thing["stages"] = list(stages) or thing["stages"]
    return thing | ({"environments": list(environments)} if environments else {})


def _made(name: str, file: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """The object's parts that do not hang on how it counts. Ends 1 for a name that is not shipped."""
    from procedures.policy import shipped as ours

    if file is not None:
        return {"name": name, "source": file.read_text(), "settings": settings, "stages": list(STAGES)}
    one = ours.policies().get(name)
    if one is None:
        click.echo(f"There is no shipped policy {name!r}; there are {', '.join(ours.policies())}.", err=True)
        raise SystemExit(FAILED)
    defaults = {key: rules["default"] for key, rules in one.schema["properties"].items()}
    chosen = {**defaults, **settings}
    return {"name": name, "shipped": name, "source": one.source, "settings": chosen, "stages": list(one.stages)}
