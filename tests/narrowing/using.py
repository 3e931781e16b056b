"""A procedure with a list of hosts, runs of it for real, and the lines that come of them."""

from __future__ import annotations

from typing import Any

from procedures.domain.clock import now
from procedures.domain.observed import Line
from procedures.models import Grant, Person, Run, Task, Version
from procedures.queries import observed, observed_grants
from procedures.runner.drive import drive
from procedures.services import versions
from tests.factories.portal import World

FEW = 3
TEXT = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: look, title: Look, description: Looks.}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development, staging]
  timeout: 1m
  parameters: {properties: {size: {type: integer, title: Size, description: How many., default: 1}}}
  steps:
    - id: go
      action: local:script
      timeout: 20s
      input:
        script: go.sh
        env: {HOST: "api.example.com:PORT"}
        egress:
          - api.example.com:PORT
          - old.example.com:PORT  # the former one
"""
SCRIPT = b"""#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/3128
printf 'CONNECT %s HTTP/1.1\\r\\n\\r\\n' "$HOST" >&3
head -1 <&3 | grep ' 200 ' || exit 7
[ "$PARAM_SIZE" -lt 9 ]
"""


def accepted(world: World, author: Person, text: str) -> Version:
    files = {"procedure.yaml": text.encode(), "go.sh": SCRIPT, "README.md": b"x"}
    version = versions.submit_version(actor=author, files=files, note="", at=now())
    return world.review(world.mira, version, "operations", "security", signed=True)


def ran(world: World, person: Person, count: int, **more: Any) -> list[Run]:
    found = []
    for _ in range(count):
        run = world.ask(person, procedure="look", **more)
        drive(run.pk)
        run.refresh_from_db()
        assert run.state == "succeeded", Task.objects.get(run=run).message
        found.append(run)
    return found


def lines(actor: Person) -> dict[tuple[str, str], Line]:
    """By kind and what stands before a colon."""
    version = Version.objects.get(procedure__name="look", state="accepted")
    seen = observed.of_procedure(actor, version.procedure, version, now())
    return {(one.kind, one.what.partition(":")[0]): one for one in seen.lines}


def grant_lines(actor: Person, grant: Grant) -> dict[tuple[str, str], Line]:
    row = observed_grants.one(actor, grant.pk, now())
    assert row is not None
    return {(one.kind, one.what): one for one in observed_grants.of_grant(actor, row, now()).lines}
