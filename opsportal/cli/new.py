"""A new procedure's folder: enough to lint clean, to try at once, and to be changed from there."""

from __future__ import annotations

import re
from pathlib import Path

import click

from opsportal.cli.portal import FAILED, url

NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
HEAD = """\
# yaml-language-server: $schema={portal}/schema/procedure.v1.json
apiVersion: opsportal/v1
kind: Procedure
metadata:
  name: {name}
  title: {title}
  description: Say in one sentence what this does, and to what.
spec:
  owner: group:default/{owner}
  type: operation
  risk: {risk}
  environments: [development, staging]
  timeout: 10m
  parameters:
    required: [service]
    properties:
      service:
        type: string
        title: Service
        description: The service's name as its hosts know it.
        pattern: "^[a-z][a-z0-9-]{{0,62}}$"
"""
LOCAL = """\
  steps:
    - id: work
      name: Do the work
      action: local:script
      input: {script: work.sh}
      timeout: 2m
      idempotent: true
"""
SSH = """\
  targets:
    filter: "role=web service=${{ parameters.service }}"
    strategy: {mode: rolling, batch: 25%, maxFailures: 1}
  credentials:
    deploy: {kind: ssh, ttl: 10m}
  steps:
    - id: work
      name: Do the work
      action: ssh:script
      credentials: [deploy]
      input: {script: work.sh}
      timeout: 2m
      idempotent: true
"""
SCRIPT = """\
#!/bin/sh
# Each parameter is PARAM_<NAME>; what is written to $OPSPORTAL_OUTPUT as name=value becomes output.
set -eu
echo "working on $PARAM_SERVICE"
echo "service=$PARAM_SERVICE" >>"$OPSPORTAL_OUTPUT"
"""
TEST = """\
# Parameters in; order, exit status and output expected. A step named under `steps` is run in the sandbox.
parameters: {service: checkout}
environment: staging
targets: [{name: web-01, tags: {role: web, service: checkout}}]
expect:
  order: [work]
  steps:
    work: {exit: 0, output: {service: checkout}}
"""
README = """\
# {title}

What it does, when to use it, what can go wrong, and what undoes it.

    opsportal lint {name}
    opsportal test {name}
    opsportal run --local {name} --service checkout
    opsportal submit {name} --note "what changed and why"
"""


@click.command()
@click.argument("name")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="The parent folder.")
@click.option("--ssh", is_flag=True, help="A procedure that acts on hosts.")
@click.option("--owner", default="my-team", show_default=True, help="The team that owns it.")
def new(name: str, into: Path, ssh: bool, owner: str) -> None:
    """Write a new procedure's folder, ready to be changed."""
    if not NAME.match(name):
        raise click.UsageError(f"{name!r} is no name: lower case letters, digits and -, at most 63 characters.")
    folder = into / name
    if folder.exists():
        click.echo(f"{folder} is there already; nothing was written. Choose another name or --into.", err=True)
        raise SystemExit(FAILED)
    title = name.replace("-", " ").capitalize()
    head = HEAD.format(name=name, title=title, owner=owner, risk="moderate" if ssh else "low", portal=url())
    folder.mkdir(parents=True)
    (folder / "procedure.yaml").write_text(head + (SSH if ssh else LOCAL))
    (folder / "work.sh").write_text(SCRIPT)
    (folder / "work.sh").chmod(0o755)
    (folder / "README.md").write_text(README.format(name=name, title=title))
    (folder / "tests").mkdir()
    (folder / "tests" / "works.yaml").write_text(TEST)
    click.echo(f"{folder}: change procedure.yaml and work.sh, then: opsportal lint {folder}")
