"""What is declared and given, with use of every kind, as no page likes it: long hosts, hidden characters."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.domain.clock import now
from procedures.domain.ids import uuid7
from procedures.models import Grant, Person, Run, Task, Version
from procedures.services import versions
from tests.factories.transitions import unevidenced
from tests.web.town import Town

LONG = ".".join("a" * 40 for _ in range(5))
TEXT = f"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {{name: look, title: Look at {"very " * 12}much, description: Looks.}}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development, staging, production]
  timeout: 1m
  parameters: {{properties: {{size: {{type: integer, title: Size, description: How many., default: 1}}}}}}
  targets: {{filter: "role=web or role={"x" * 60}"}}
  credentials:
    deploy: {{kind: ssh}}
    keys: {{kind: aws, role: reader}}
    spare: {{kind: secret}}
  steps:
    - id: fetch
      action: local:command
      timeout: 9s
      credentials: [keys]
      input: {{argv: ["true"], egress: ["api.example.com:443", "{LONG}.example.com:443", "old.example.com:443"]}}
    - {{id: open, action: local:command, timeout: 9s, input: {{argv: ["true"], network: true}}}}
    - {{id: host, action: ssh:command, timeout: 9s, credentials: [deploy], input: {{argv: [sudo, "true"]}}}}
    - {{id: ask, action: http:request, timeout: 9s, input: {{url: "https://api.example.com/v1/{"deep/" * 20}x"}}}}
"""
SEEN: dict[str, dict[str, Any]] = {
    "fetch": {"network": "listed", "hosts": ["api.example.com:443"], "credential": "placed"},
    "open": {"network": "all"},
    "host": {"target": "connected", "credential": "used", "sudo": "called"},
    "ask": {"hosts": ["api.example.com:443"], "calls": [f"GET api.example.com:443/v1/{'deep/' * 20}\u202ex"]},
}


def use_of(town: Town) -> dict[str, tuple[str, str]]:
    """A procedure with runs, one without, and three grants: used, never used, and seen in part."""
    mira, aisha = town.people["mira"], town.people["aisha"]
    version = versions.submit_version(
        actor=mira, files={"procedure.yaml": TEXT.encode(), "README.md": b"x"}, note="", at=now()
    )
    with unevidenced():
        Version.objects.filter(pk=version.pk).update(
            state="accepted", accepted_at=now(), expires_at=now() + timedelta(days=90)
        )
    grant = Grant.objects.get(person=mira)
    for number in range(30):
        ran(version, aisha, grant, number)
    return {
        "use": ("mira", "/procedures/look/?tab=use"),
        "use-never": ("mira", "/procedures/hello/?tab=use"),
        "use-none": ("mira", "/procedures/collect-diagnostics/?tab=use"),
        "use-grant": ("jonas", f"/access/{grant.pk}/use/"),
        "use-grant-never": ("jonas", f"/access/{Grant.objects.get(person=aisha).pk}/use/"),
        "use-grant-own": ("mira", f"/access/{grant.pk}/use/"),
    }


def ran(version: Version, asker: Person, grant: Grant, number: int) -> None:
    at = now() - timedelta(hours=30 * number)
    with unevidenced():
        run = Run.objects.create(
            id=uuid7(),
            no=900 + number,
            procedure=version.procedure,
            version=version,
            digest=version.digest,
            environment_id="development",
            requester=asker,
            door="web",
            parameters={"size": number},
            grant=grant.pk,
            risk="low",
            state="succeeded",
            state_since=at,
            requested_at=at,
            started_at=at,
            ended_at=at,
        )
    for position, (step, seen) in enumerate(SEEN.items()):
        target = f"web-{number:03}" if step == "host" else ""
        with unevidenced():
            Task.objects.create(
                run=run,
                phase="steps",
                step=step,
                position=position,
                target=target,
                state="succeeded",
                facts={"seen": seen},
            )
