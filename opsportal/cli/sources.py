"""Git sources: list them, look at one, ask for a look, and the hook that a forge or a bare repository needs."""

from __future__ import annotations

import click

from opsportal.cli.portal import ask, show

# Written for the machine where the repository lies: Python's standard library alone.
POST_RECEIVE = '''\
#!/usr/bin/env python3
"""Tells OpsPortal that something was pushed; put it into the repository as hooks/post-receive, mode 0755."""
import hashlib, hmac, json, sys, urllib.request, uuid

URL, SECRET, REF = {url!r}, {secret!r}, {ref!r}
for line in sys.stdin:
    if line.split()[-1] != REF:
        continue
    body = json.dumps({{"ref": REF}}).encode()
    mark = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {{"Content-Type": "application/json", "X-OpsPortal-Signature": mark,
               "X-OpsPortal-Delivery": str(uuid.uuid4())}}
    try:
        urllib.request.urlopen(urllib.request.Request(URL, body, headers), timeout=5).close()
    except OSError as problem:
        print(f"OpsPortal was not told ({{problem}}); it looks by itself within a minute.", file=sys.stderr)
'''


@click.group()
def source() -> None:
    """Git repositories from which procedures come."""


@source.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_sources(as_json: bool) -> None:
    found = ask("GET", "/api/v1/sources/")
    rows = [f"{r['name']:<24} {r['commit'][:10]:<11} {r['problem'] or r['url']}" for r in found["results"]]
    show(found, as_json=as_json, rows=rows or ["No source yet; propose one: opsportal control propose source FILE"])


@source.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True)
def show_source(name: str, as_json: bool) -> None:
    """One source: what came from it, and what was wrong."""
    found = ask("GET", f"/api/v1/sources/{name}/")
    rows = [f"{found['url']} {found['branch']} at {found['commit'][:10] or 'nothing yet'}"]
    rows += [found["problem"]] if found["problem"] else []
    rows += [f"wrong  {f['path']}: {f['message']}" for f in found["findings"]]
    rows += [f"{v['state'].replace('_', ' '):<10} {v['procedure']} v{v['number']}" for v in found["versions"][:20]]
    show(found, as_json=as_json, rows=rows)


@source.command()
@click.argument("name")
def look(name: str) -> None:
    """Have the portal look at a source now."""
    ask("POST", f"/api/v1/sources/{name}/look/", {})
    click.echo(f"{name} is looked at within a second; opsportal source show {name} tells what came of it.")


@source.command()
@click.argument("name")
@click.option("--post-receive", is_flag=True, help="Print the hook for a bare repository instead.")
@click.option("--json", "as_json", is_flag=True)
def hook(name: str, post_receive: bool, as_json: bool) -> None:
    """What a forge needs to tell the portal of each push: address and secret."""
    found = ask("GET", f"/api/v1/sources/{name}/hook/")
    if post_receive:
        made = POST_RECEIVE.format(url=found["url"], secret=found["secret"], ref=f"refs/heads/{found['branch']}")
        click.echo(made, nl=False)
        return
    show(
        found,
        as_json=as_json,
        rows=[f"URL     {found['url']}", f"Secret  {found['secret']}", "Type    application/json"],
    )
