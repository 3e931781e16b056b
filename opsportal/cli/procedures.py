"""What there is to run, and what steps can do."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask
from opsportal.cli.portal import show as output


@click.command()
@click.argument("query", default="")
@click.option("--json", "as_json", is_flag=True)
def procedures(query: str, as_json: bool) -> None:
    """What there is to run."""
    found = ask("GET", "/api/v1/procedures/", params={"q": query})
    rows = [
        f"{p['name']:<28} {'accepted' if p['accepted'] else 'not accepted':<13} {p['title']}" for p in found["results"]
    ]
    output(
        found, as_json=as_json, rows=rows or ["Nothing matches. `opsportal submit` puts a new procedure into review."]
    )


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def show(name: str, as_json: bool) -> None:
    """One procedure: parameters and versions."""
    found = ask("GET", f"/api/v1/procedures/{name}/")
    accepted = found["accepted"] or {"risk": "", "risk_reasons": []}
    rows = [f"{found['title']}", found["description"]]
    rows += [f"risk {accepted['risk']}"] * bool(accepted["risk"]) + [f"  {r}" for r in accepted["risk_reasons"]] + [""]
    for key, schema in ((found.get("parameters") or {}).get("properties") or {}).items():
        rows.append(f"  --{key.replace('_', '-'):<18} {schema.get('title', '')} {schema.get('description', '')}")
    rows += [
        f"  v{v['number']:<3} {v['state']:<10} {v['digest'][:19]}… by {v['author']}" for v in found.get("versions", [])
    ]
    output(found, as_json=as_json, rows=rows)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def actions(as_json: bool) -> None:
    """What steps can do."""
    found = ask("GET", "/api/v1/actions/")
    output(found, as_json=as_json, rows=[f"{a['id']:<16} {a['summary']}" for a in found["results"]])
