"""Running procedures and following them. The flags of `run` come from the procedure's own JSON Schema."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from opsportal.cli import glass, options, receipts
from opsportal.cli.portal import DENIED, FAILED, WAITING, ask, json_of, show
from procedures.domain import forms

OWN = {"local", "draft", "environment", "reason", "parameters", "secret", "target", "detach", "wait", "json", "help"}
OWN |= {"break-glass", "key", "priority"}
ENDED = {"succeeded", "failed", "timed_out", "canceled", "denied", "rejected", "expired", "interrupted"}


def flags(words: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    """Parameters from `--name value`, `--x/--no-x`, repeated for lists, JSON or @file for objects."""
    properties = forms.every_property(schema)
    names = {("p-" if key.replace("_", "-") in OWN else "") + key.replace("_", "-"): key for key in properties}
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        flag, equals, given = word.removeprefix("--").partition("=")
        off = flag.removeprefix("no-") if flag.startswith("no-") and flag not in names else ""
        key = names.get(off or flag)
        if not word.startswith("--") or key is None:
            raise click.UsageError(f"There is no parameter {word}; `opsportal show NAME` lists them.")
        about = properties[key] if isinstance(properties[key], dict) else {}
        kind = about.get("type")
        if kind == "boolean":
            found[key] = not off
            continue
        if not equals:
            if not rest:
                raise click.UsageError(f"{word} wants a value.")
            given = rest.pop(0)
        found[key] = [*found.get(key, []), given] if kind == "array" else value(given, about)
    return found


def value(text: str, about: dict[str, Any]) -> Any:
    """A word of the command line as the parameter's own type; what does not parse stays text."""
    kind = about.get("type")
    if about.get("format") == "data-url" and text.startswith("@"):
        place = Path(text[1:])
        content = base64.b64encode(place.read_bytes()).decode()
        return f"data:application/octet-stream;name={quote(place.name)};base64,{content}"
    if kind in {"integer", "number"}:
        try:
            return int(text) if kind == "integer" else float(text)
        except ValueError:
            return text
    if kind == "object":
        return json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    return text


def explain(ctx: click.Context, name: str) -> None:
    """The command's own help, and for a named procedure what the portal says of its parameters."""
    click.echo(ctx.get_help())
    if name:
        found = ask("GET", f"/api/v1/procedures/{name}/")
        formatter = ctx.make_formatter()
        with formatter.section(f"Parameters of {name}"):
            formatter.write_dl(described(found.get("parameters") or {}) or [("none", "")])
        click.echo("\n" + formatter.getvalue().rstrip())


def described(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Each parameter as a flag with its kind, and what the author says of it."""
    rows = []
    for key, about in forms.every_property(schema).items():
        flag = ("p-" if key.replace("_", "-") in OWN else "") + key.replace("_", "-")
        kind = about.get("type", "")
        shown = f"--{flag} / --no-{flag}" if kind == "boolean" else f"--{flag} {str(kind).upper()}"
        notes = [about.get("description") or about.get("title", "")]
        notes += [f"one of {', '.join(map(str, about['enum']))}"] if "enum" in about else []
        notes += ["may repeat"] if kind == "array" else []
        notes += ["required"] if key in schema.get("required", []) else []
        notes += [f"default {json.dumps(about['default'])}"] if about.get("default") not in (None, "", []) else []
        rows.append((shown, "; ".join(note.rstrip(".") for note in notes if note)))
    return rows


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("name", default="")
@click.option("--help", "helped", is_flag=True, help="This message; with NAME also the procedure's parameters.")
@click.option("--local", "here", is_flag=True, help="NAME is a folder: try it here, without a portal.")
@click.option("--environment", help="Where it is to run.  [required, but with --local]")
@click.option("--draft", is_flag=True, help="Run your own draft of it, in the pool for what nobody has reviewed.")
@click.option("--reason", default="")
@click.option("--parameters", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A JSON file.")
@click.option("--secret", "secrets", multiple=True, help="NAME=@FILE, or NAME to be asked; never on the command line.")
@click.option("--target", "targets", multiple=True, help="Narrow to these targets.")
@click.option("--priority", type=click.Choice(["low", "normal", "high"]), help="High is for operators.")
@click.option("--break-glass", "breaks", is_flag=True, help="Skip approval or freeze; signed, loud, reviewed later.")
@click.option("--key", help="SSH key file to sign break-glass with; a .pub asks the agent.")
@click.option("--detach", is_flag=True, help="Do not follow.")
@click.option("--wait", "stay", is_flag=True, help="Wait for the approval too.")
@click.option("--json", "as_json", is_flag=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(
    ctx: click.Context,
    name: str,
    helped: bool,
    here: bool,
    environment: str | None,
    draft: bool,
    reason: str,
    parameters: Path | None,
    secrets: tuple[str, ...],
    targets: tuple[str, ...],
    priority: str | None,
    breaks: bool,
    key: str | None,
    detach: bool,
    stay: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Run a procedure and follow it: opsportal run NAME --environment E --reason R --FLAG value …"""
    if helped:
        explain(ctx, name)
        return
    if here:
        try_here(name, environment, parameters, secrets, words)
        return
    if not name or not environment:
        raise click.UsageError("Missing " + ("argument 'NAME'." if not name else "option '--environment'."))
    data: dict[str, Any] = {
        "procedure": name,
        "environment": environment,
        "reason": reason,
        "parameters": filled(name, environment, parameters, words, draft=draft),
    }
    flagged = {"draft": draft, "break_glass": breaks}
    data |= {name: True for name, on in flagged.items() if on}
    data |= {"secrets": dict(map(secret, secrets))} if secrets else {}
    data |= {"targets": list(targets)} if targets else {}
    data |= {"priority": priority} if priority else {}
    found = ask("POST", "/api/v1/runs/", data)
    receipts.keep(found["id"])
    if found["state"] == "awaiting_approval" and breaks:
        tell(found, as_json=as_json)
        glass.break_it(found["id"], reason, key, yes=False)
        stay = True
    see_through(found, stay=stay, detach=detach, as_json=as_json, told=breaks)


def tell(found: dict[str, Any], *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"Run #{found['no']} is {found['state'].replace('_', ' ')}: {found['url']}", err=True)


def see_through(found: dict[str, Any], *, stay: bool, detach: bool, as_json: bool, told: bool = False) -> None:
    """Say where a new run stands and follow it to its end; ends 4 where it waits for approval and nobody stays."""
    if not told:
        tell(found, as_json=as_json)
    if detach or (found["state"] == "awaiting_approval" and not stay):
        tell_waiting(found, quiet=as_json)
    if found["state"] == "awaiting_approval" and not stay:
        show(found, as_json=as_json, rows=[])
        raise SystemExit(WAITING)
    if detach:
        show(found, as_json=as_json, rows=[])
        return
    finish(follow(found["id"], quiet=as_json), as_json=as_json)


def filled(
    name: str, environment: str, parameters: Path | None, words: tuple[str, ...], *, draft: bool
) -> dict[str, Any]:
    """The parameters of a wish; lists that some of them must be in are asked for first."""
    schema = schema_of(name, draft=draft) if words or parameters else {}
    given = json_of(parameters) if parameters else {}
    wish = {**given, **flags(list(words), schema)}
    if schema and not draft:
        options.load(name, environment, schema, wish)
    return wish


def schema_of(name: str, *, draft: bool) -> dict[str, Any]:
    """The parameters of the accepted version, or of one's own newest draft."""
    found = ask("GET", f"/api/v1/procedures/{name}/")
    drafts = [row["id"] for row in found.get("versions", []) if draft and row["state"] == "draft"]
    if drafts:
        whole: dict[str, Any] = ask("GET", f"/api/v1/versions/{drafts[0]}/")["definition"]["parameters"]
        return whole
    if not found.get("parameters"):
        _nothing_to_run(found, draft=draft)
    return found.get("parameters") or {}


def _nothing_to_run(found: dict[str, Any], *, draft: bool) -> None:
    """Ends 1, or 3 without access, where no version's parameters could be given, and says what stands there."""
    if "versions" not in found:
        click.echo(f"Not allowed: no access of yours lets you run {found['name']}.", err=True)
        click.echo(f"Ask for it: opsportal access request {found['name']} --environment WHERE --reason WHY", err=True)
        raise SystemExit(DENIED)
    states = {row["state"] for row in found["versions"]}
    if draft:
        click.echo(f"You have no draft of {found['name']}; make one: opsportal submit FOLDER --draft.", err=True)
    elif "accepted" in states:
        return
    else:
        stands = ", ".join(sorted(state.replace("_", " ") for state in states))
        click.echo(f"No version of {found['name']} is accepted{f' ({stands})' if stands else ''}.", err=True)
        click.echo("Wait for its review, or try your own draft: --draft.", err=True)
    raise SystemExit(FAILED)


def try_here(
    name: str, environment: str | None, parameters: Path | None, secrets: tuple[str, ...], words: tuple[str, ...]
) -> None:
    from opsportal.cli import local

    folder = Path(name)
    if not name or not folder.is_dir():
        raise click.UsageError(f"--local wants a procedure's folder; {name!r} is none.")
    _, found = local.loaded(folder)
    given = json_of(parameters) if parameters else {}
    wish = {**given, **flags(list(words), dict(found.definition.parameters))}
    local.run_local(folder, environment or "development", wish, dict(map(secret, secrets)))


def secret(word: str) -> tuple[str, str]:
    name, equals, place = word.partition("=")
    if not equals:
        text: str = click.prompt(name, hide_input=True)
        return name, text
    if not place.startswith("@"):
        raise click.UsageError("A secret is never a flag's value: write NAME=@FILE, or NAME alone.")
    return name, Path(place[1:]).read_text().rstrip("\n")


def follow(run: str, *, quiet: bool = False) -> dict[str, Any]:
    """Print the log as it comes until the run has ended."""
    seen, step, told = 0, "", ""
    while True:
        found: dict[str, Any] = ask("GET", f"/api/v1/runs/{run}/")
        told = tell_waiting(found, told, quiet=quiet)
        log = ask("GET", f"/api/v1/runs/{run}/log/", params={"cursor": seen})
        for chunk in log["results"]:
            seen = chunk["seq"]
            if not quiet:
                if chunk["step"] != step:
                    step = chunk["step"]
                    click.secho(f"── {step}", err=True, bold=True)
                where = f"{chunk['target']:<14} " if chunk["target"] else ""
                for line in chunk["text"].splitlines():
                    click.echo(where + line)
        if found["state"] in ENDED and not log["results"]:
            return found
        time.sleep(0.3)


def tell_waiting(found: dict[str, Any], before: str = "", *, quiet: bool = False) -> str:
    """Say why a run waits if that is not what was said last; gives what is said now."""
    said = "\n".join(str(why["text"]) for why in found.get("waiting_for") or [])
    if said and said != before and not quiet:
        click.echo(said, err=True)
    return said


def tell_marks(found: dict[str, Any]) -> None:
    """Say what of a run's output cannot be read, if that marks it; a portal of a former release says nothing."""
    for said in (found.get("printed") or {}).get("says", []):
        click.echo(f"Look at it: {said}", err=True)


def finish(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show(found, as_json=True)
    else:
        click.echo(f"Run #{found['no']} {found['state'].replace('_', ' ')}. {found['message']}".strip(), err=True)
        tell_marks(found)
        if left := found["not_touched"]:
            click.echo(f"Not touched, not being in contact: {len(left)} ({', '.join(left[:10])}).", err=True)
    if found["state"] != "succeeded":
        raise SystemExit(FAILED)
