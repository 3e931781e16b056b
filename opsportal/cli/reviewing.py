"""For reviewers: what a version may now do, who gains from it, and the signed decision on it."""

from __future__ import annotations

import base64
from typing import Any

import click

from opsportal.cli import discussing
from opsportal.cli.authoring import policy_rows, test_rows, the_version
from opsportal.cli.portal import TOTP, ask, proof, show
from opsportal.cli.statements import about

COLOURS = {"wider": "red", "changed": "yellow", "narrower": "green"}


@click.command()
@click.argument("version")
@click.option("--accept", "verdict", flag_value="accept")
@click.option("--reject", "verdict", flag_value="reject")
@click.option("--request-changes", "verdict", flag_value="request_changes")
@click.option("--lift", "verdict", flag_value="lift", help="Take back your own request for changes.")
@click.option("--duty", "duties", multiple=True, help="The duty for which you decide; may repeat.")
@click.option("--comment", default="", help="With a verdict: why. With --on or --reply: what you say there.")
@click.option("--comments", is_flag=True, help="Show the discussion.")
@click.option("--on", metavar="FILE:LINE", help="Comment at that line; FILE alone for all of it.")
@click.option("--reply", metavar="THREAD", help="Answer in that thread.")
@click.option("--resolve", metavar="THREAD", help="Call that thread settled.")
@click.option("--reopen", metavar="THREAD", help="Take that thread up again.")
@click.option("--key", help="SSH key file to sign with; a .pub asks the agent.")
@TOTP
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="The version, what changed and who gains; or how it ended.")
def review(
    version: str,
    verdict: str | None,
    duties: tuple[str, ...],
    comment: str,
    comments: bool,
    on: str | None,
    reply: str | None,
    resolve: str | None,
    reopen: str | None,
    key: str | None,
    totp: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """See what NAME@DIGEST may now do and who gains from it; discuss it, accept it, reject it or ask for changes."""
    if yes and verdict is None:
        raise click.UsageError("Say --accept, --reject, --request-changes or --lift.")
    talk = {"on": on, "reply": reply, "resolve": resolve, "reopen": reopen}
    chosen = [name for name, value in talk.items() if value is not None]
    if len(chosen) > 1 or (chosen and verdict):
        raise click.UsageError("One of --on, --reply, --resolve, --reopen, and no verdict beside it.")
    row = the_version(version)
    if as_json and verdict not in {None, "lift"} and not yes:
        raise click.UsageError("--json asks nothing: give --yes with the verdict.")
    if chosen or comments:
        discussing.take_part(
            row, chosen[0] if chosen else "", talk[chosen[0]] or "" if chosen else "", comment, as_json=as_json
        )
    elif verdict == "lift":
        done = ask("POST", f"/api/v1/versions/{row['id']}/lift/", {})
        show(done, as_json=as_json, rows=[_ended(done)])
    elif verdict is None and as_json:
        parts = {name: ask("GET", f"/api/v1/versions/{row['id']}/{name}/") for name in ("diff", "gains")}
        show({"version": row, **parts}, as_json=True)
    else:
        if not as_json:
            tell(row)
        if verdict is not None:
            decide(row, verdict, duties, comment, key, totp=totp, yes=yes, as_json=as_json)


def _ended(done: dict[str, Any]) -> str:
    return f"{done['procedure']} v{done['number']} is {done['state'].replace('_', ' ')}."


def tell(row: dict[str, Any]) -> None:
    """The rows of the semantic diff, the files, and who gains; what is the same is only counted."""
    diff = ask("GET", f"/api/v1/versions/{row['id']}/diff/")
    against = f"against v{diff['against']['number']}" if diff["against"] else "first version"
    click.secho(f"{row['procedure']} v{row['number']} ({row['state'].replace('_', ' ')}), {against}", bold=True)
    for one in diff["rows"]:
        if one["effect"] == "same":
            continue
        name = f"{one['area']} {one['name']}".strip()
        why = f"  ({one['why']})" if one["why"] else ""
        effect = click.style(f"{one['effect']:<9}", fg=COLOURS[one["effect"]])
        click.echo(f"  {effect} {name}: {one['before'] or 'none'} -> {one['after'] or 'none'}{why}")
    click.echo(f"  {diff['effects']['same']} rows are the same; risk {diff['risk']['now']}")
    for file in diff["files"]:
        click.echo(f"  +{file['added']} -{file['removed']} {file['path']!r} {file['note']}".rstrip())
    _policy(row)
    _tests(row)
    _gains(row)


def _policy(row: dict[str, Any]) -> None:
    """What policies refuse, require and hint at; nobody can accept what one refuses."""
    said = row["policy"]
    if said is None:
        return
    state = "refused" if said["denied"] else "passed"
    click.secho(f"Policies: {state}", bold=True, fg="red" if said["denied"] else None)
    for line in policy_rows(row):
        click.echo(f"  {line}")
    if not said["current"]:
        click.echo("  Policies have changed since; they are asked again when you decide.")


def _tests(row: dict[str, Any]) -> None:
    """How its own tests went on these bytes; whoever accepts a version whose tests failed should know it."""
    trial = ask("GET", f"/api/v1/versions/{row['id']}/")["trials"][0]
    fine = trial["state"] == "passed"
    click.secho(f"Its own tests: {trial['state']}", bold=True, fg=None if fine else "red")
    for line in test_rows(trial):
        click.echo(f"  {line!r}"[:400] if not fine else f"  {line}")


def _gains(row: dict[str, Any]) -> None:
    found = ask("GET", f"/api/v1/versions/{row['id']}/gains/")
    click.secho(f"Who gains it: {found['newly']} newly, {found['persons']} in all", bold=True)
    for gain in found["results"]:
        new = f"new in {', '.join(gain['new'])}" if gain["new"] else f"as today in {', '.join(gain['kept'])}"
        limits = f", {', '.join(gain['limits'])}" if gain["limits"] else ""
        click.echo(f"  {gain['person']['username']}: {new}, by {gain['through']}{limits}")
    for one in found["missing"] if row["state"] == "in_review" else ():
        could = ", ".join(one["could"]) or ("somebody" if one["count"] else "nobody")
        click.echo(f"  {one['duty']} is missing: {could} could decide")


def decide(
    row: dict[str, Any],
    verdict: str,
    duties: tuple[str, ...],
    comment: str,
    key: str | None,
    *,
    totp: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Sign the statement about exactly this digest, and hand it in."""
    files = ask("GET", f"/api/v1/versions/{row['id']}/files/")["files"]
    for path, content in sorted(files.items()):
        click.echo(f"  {path!r}  {len(base64.b64decode(content)):,} bytes", err=as_json)
    if not yes:
        click.confirm(
            f"{verdict.replace('_', ' ')} {row['procedure']} v{row['number']} ({row['digest'][:19]}…)?", abort=True
        )
    query = {"verdict": verdict, "duties": list(duties)}
    asked = ask("GET", f"/api/v1/versions/{row['id']}/statement/", params=query)
    chosen = {"version": row["id"], "digest": row["digest"], "verdict": verdict, "duties": sorted(duties)}
    statement = about(asked, "review", **chosen)
    given = {"version": row["id"], "digest": row["digest"], "verdict": verdict, "duties": list(duties)}
    signature = proof(statement, key, totp=totp)
    done = ask("POST", "/api/v1/reviews/", {**given, "comment": comment, "signature": signature})
    missing = (
        f"; still missing: {', '.join(done['missing'])}" if done["missing"] and done["state"] == "in_review" else ""
    )
    show(done, as_json=as_json, rows=[_ended(done).removesuffix(".") + f"{missing}."])
