"""Small procedures of one step, sent by Adam, and a panel of reviewers with different duties."""

from __future__ import annotations

from typing import Any

from procedures.domain.clock import now
from procedures.models import Person, Version
from procedures.services import versions
from tests.factories.portal import World

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: hello, title: Say hello}
spec:
  owner: group:default/x
  type: diagnostic
  risk: RISK
  environments: [PLACES]
  timeout: 1m
  credentials: {deploy: {kind: ssh, ttl: 5m}}
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: [echo, WORD]}}
"""


def hello(risk: str = "low", word: str = "hi", places: str = "development") -> dict[str, bytes]:
    text = YAML.replace("RISK", risk).replace("PLACES", places).replace("WORD", word)
    return {"procedure.yaml": text.encode(), "README.md": b"Says hello.\n"}


def sent(world: World, files: dict[str, bytes], author: str = "adam") -> Version:
    person = Person.objects.filter(username=author).first() or world.person(author)
    if not person.grants.exists():
        world.may(person, "author")
    return versions.submit_version(actor=person, files=files, note="", at=now())


def panel_of(world: World) -> dict[str, Any]:
    """Olga does operations, Sven security and compliance, Max all three; each may review."""
    made = {
        "olga": world.person("olga", "operations"),
        "sven": world.person("sven", "security", "compliance"),
        "max": world.person("max", "operations", "security", "compliance"),
    }
    for person in made.values():
        world.may(person, "review")
    world.may(world.person("adam"), "author")
    return made
