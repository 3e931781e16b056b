"""What authors declare of a procedure stands on its page, as their word: kind, tags, links, controls, retention."""

from __future__ import annotations

import pytest
from django.test import Client

from procedures.domain.clock import now
from procedures.services import versions
from tests.factories.portal import World, new_world

SAID = """\
apiVersion: opsportal/v1
kind: Procedure
metadata:
  name: said
  tags: [linux, web]
  links:
    - {title: Dashboard, url: "https://grafana.example.com/d/web"}
    - {title: Evil, url: "javascript:alert(1)"}
spec:
  owner: group:default/x
  type: provisioning
  risk: low
  environments: [development]
  timeout: 1m
  evidence: {controls: ["soc2:CC8.1"], retention: 7y}
  steps:
    - {id: one, action: 'local:command', timeout: 5s, input: {argv: ['true']}}
"""


@pytest.mark.once
def test_what_authors_declare_is_shown_as_theirs_and_leads_to_the_web_alone(db: None) -> None:
    world: World = new_world()
    adam = world.person("adam")
    world.may(adam, "author", "run")
    files = {"procedure.yaml": SAID.encode(), "README.md": b"x"}
    world.review(world.mira, versions.submit_version(actor=adam, files=files, note="", at=now()), "operations")
    client = Client(HTTP_HOST="localhost")
    client.force_login(adam, backend="procedures.access.backend.PasswordBackend")
    page = client.get("/procedures/said/").content.decode()
    card = page.partition("Declared by its authors")[2].partition("</section>")[0]
    for text in ("Provisioning", ">linux<", ">web<", ">soc2:CC8.1<", "7y", 'href="https://grafana.example.com/d/web"'):
        assert text in card, text
    assert "Evil" in card
    assert 'href="javascript' not in card
