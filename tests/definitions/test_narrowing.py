"""A narrower procedure.yaml: one line less, every other byte as its author wrote it; else nothing is handed out."""

from __future__ import annotations

import pytest

from procedures.definitions.load import definition_of, load
from procedures.definitions.narrowing import Cut, NotEditable, narrowed
from procedures.definitions.registry import actions
from procedures.domain.errors import OpsError

SEEN = "sha256:" + "a" * 64
TEXT = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: rotate, title: Rotate, description: Rotates it.}
spec:
  owner: group:default/x
  type: operation
  risk: moderate
  environments: [development, staging]  # not yet in production
  targets:
    filter: role=web or role=api
  credentials:
    # the bucket
    store: {kind: aws, ttl: 10m}
    deploy:
      kind: ssh
      ttl: 5m
  timeout: 5m
  steps:
    - id: call  # talks to two
      action: local:script
      credentials: [store]
      timeout: 1m
      input:
        script: call.sh
        egress:
          - one.example.com:443
          - two.example.com:443  # the old one
    - id: ask
      action: sql:query
      timeout: 1m
      input: {query: "SELECT 1", writes: true, rows: 5}
    - {id: go, action: ssh:command, credentials: [deploy], timeout: 1m, input: {argv: ["true"]}}
  # said at the end
  always:
    - {action: local:script, credentials: [store], timeout: 1m, input: {script: call.sh, egress: [one.example.com:443]}}
"""
FILES = {"procedure.yaml": TEXT.encode(), "call.sh": b"#!/bin/sh\n", "README.md": b"x"}
LESS = "(role=web or role=api) site=fra"
CUTS = {
    "environment": Cut("environment", "", "staging"),
    "item": Cut("host", "call", "two.example.com:443"),
    "flow item": Cut("host", "always-1", "one.example.com:443"),
    "credential": Cut("credential", "", "store"),
    "writes": Cut("writes", "ask", "writes"),
    "targets": Cut("targets", "", "role=web or role=api", LESS),
}


def told(cut: Cut) -> dict[str, object]:
    return {"took": cut.kind, "what": cut.what, "runs": 40, "until": "2026-11-26", "observation": SEEN}


@pytest.mark.parametrize("name", CUTS)
def test_one_line_goes_and_the_rest_stays_as_it_was_written(name: str) -> None:
    cut = CUTS[name]
    made, found = narrowed(FILES, [cut], [told(cut)])
    text = made["procedure.yaml"].decode()
    for kept in ("# not yet in production", "# said at the end", "# talks to two"):
        assert kept in text
    before, after = set(TEXT.splitlines()), set(text.splitlines())
    assert len(before - after) <= 6, before - after
    assert [row["took"] for row in found.narrowed] == [cut.kind]
    assert definition_of(made) == found
    assert {path: made[path] for path in made if path != "procedure.yaml"} == {
        path: FILES[path] for path in FILES if path != "procedure.yaml"
    }


def test_everything_at_once_and_a_second_time() -> None:
    _, old = FILES, definition_of(FILES)
    made, found = narrowed(FILES, list(CUTS.values()), [told(cut) for cut in CUTS.values()])
    assert (found.environments, list(found.credentials)) == (("development",), ["deploy"])
    assert found.step("call")[1].input == {"script": "call.sh", "egress": ["one.example.com:443"]}
    assert found.step("always-1")[1].input == {"script": "call.sh"}
    assert (found.targets.filter if found.targets else "") == LESS
    assert found.step("go") == old.step("go")
    more = Cut("host", "call", "one.example.com:443")
    again, last = narrowed(made, [more], [told(more)])
    assert (len(last.narrowed), last.step("call")[1].input) == (len(CUTS) + 1, {"script": "call.sh"})
    assert not [f for f in load(again, actions()).findings if f.severity == "error" and f.code == "schema"]


FLOW = """\
{apiVersion: opsportal/v1, kind: Procedure, metadata: {name: a}, spec: {owner: x, type: operation, risk: low,
 environments: [a, staging], steps: [{action: 'debug:log', input: {message: x}}]}}
"""


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (TEXT.replace("- id: call  # talks to two\n      action", "- action"), CUTS["item"]),
        (TEXT.replace("environments: [development, staging]", "environments: [staging]"), CUTS["environment"]),
        (TEXT, Cut("host", "call", "three.example.com:443")),
        (TEXT, Cut("risk", "", "moderate")),
        (FLOW, CUTS["environment"]),
    ],
)
def test_what_cannot_be_taken_out_by_itself_is_refused(text: str, cut: Cut) -> None:
    with pytest.raises(OpsError) as refusal:
        narrowed({**FILES, "procedure.yaml": text.encode()}, [cut], [told(cut)])
    assert refusal.value.code.startswith("use.not-"), refusal.value


def test_text_that_would_take_something_else_along_hands_out_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes out is read again: an edit that takes a line too many is no proposal."""
    monkeypatch.setattr(
        "procedures.definitions.narrowing._without_item", lambda text, *_: text.replace("  timeout: 5m\n", "")
    )
    with pytest.raises(NotEditable, match="something else"):
        narrowed(FILES, [CUTS["environment"]], [told(CUTS["environment"])])
