"""Answers for access managers and auditors: who can, as of when, and what is not as it should be."""

from __future__ import annotations

import sys
from typing import Any

import click

from opsportal.cli.portal import FAILED, ask, show

JSON = click.option("--json", "as_json", is_flag=True)
CSV = click.option("--csv", "as_csv", is_flag=True, help="As CSV; no cell of it is a formula.")
AS_OF = click.option("--as-of", default="", metavar="DATE", help="A date (its last moment, UTC) or a time; else now.")


@click.command()
@click.option("--verb", default="run", show_default=True)
@click.option("--procedure", default="")
@click.option("--environment", default="")
@click.option("--person", default="", help="Everything that this person can do, instead.")
@AS_OF
@CSV
@JSON
def report(verb: str, procedure: str, environment: str, person: str, as_of: str, as_csv: bool, as_json: bool) -> None:
    """Who can do what, by which grant, as of any date; replayed from the evidence."""
    if person:
        found = ask("GET", f"/api/v1/access/people/{person}/", params={"as_of": as_of})
    else:
        wanted = {"verb": verb, "procedure": procedure, "environment": environment, "as_of": as_of}
        found = ask("GET", "/api/v1/access/holders/", params=wanted)
    rows = [
        f"{row['person']:<20} {','.join(row['verbs']):<24} {row['procedure']:<24} "
        f"{','.join(row['environments']) or 'everywhere':<20} {row['through']:<20} until {row['expires_at'][:10]}"
        f"{'' if row['stands'] else '  ASSERTED BY PLATFORM: ' + row['why']}"
        for row in found["results"]
    ]
    _out(found, rows or ["Nobody held this right then."], as_csv=as_csv, as_json=as_json)


@click.command()
@CSV
@JSON
def drift(as_csv: bool, as_json: bool) -> None:
    """Where the live tables say something else than the signed evidence; exit code 1 if they do."""
    found = ask("GET", "/api/v1/access/drift/")
    rows = [f"{row['kind']:<12} {row['what']:<44} {row['says']}" for row in found["results"]]
    _out(found, rows or ["Every table says what the signed evidence says."], as_csv=as_csv, as_json=as_json)
    if rows:
        raise SystemExit(FAILED)


@click.command()
@click.option("--since", default="", metavar="DATE")
@AS_OF
@CSV
@JSON
def separation(since: str, as_of: str, as_csv: bool, as_json: bool) -> None:
    """Separation of duties, from the evidence; exit code 1 if somebody decided about themselves."""
    found = ask("GET", "/api/v1/access/separation/", params={"since": since, "as_of": as_of})
    rows = [f"{row['kind']:<14} {row['at'][:16]}  {row['who']:<20} {row['what']}" for row in found["results"]]
    _out(found, rows or ["Nothing to tell."], as_csv=as_csv, as_json=as_json)
    if any(row["kind"] == "violation" for row in found["results"]):
        raise SystemExit(FAILED)


def _out(found: dict[str, Any], rows: list[str], *, as_csv: bool, as_json: bool) -> None:
    if not as_csv:
        show(found, as_json=as_json, rows=rows)
        return
    from procedures.evidence.verify import table

    results = found["results"]
    heads = list(results[0]) if results else ["nothing"]
    lines = [[", ".join(v) if isinstance(v, list) else v for v in row.values()] for row in results]
    sys.stdout.write(table([heads, *lines]).decode())
