"""What lint says about steps that share files: a missing folder, a gate between them, programs that are templates."""

from __future__ import annotations

import pytest

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain.errors import InvalidInput
from procedures.services.versions import read

HEAD = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: new-service}
spec:
  owner: platform
  type: scaffolding
  risk: moderate
  environments: [development]
  timeout: 10m
  credentials: {git: {kind: git}}
  steps:
"""
FETCH = '    - {id: fetch, action: "fetch:template", timeout: 1m, input: {url: ./skeleton, values: {}}}\n'
GATE = '    - {id: ask, action: "gate:approval", timeout: 1m, input: {message: go, approvers: {operations: 1}}}\n'
PUSH = (
    '    - {id: publish, action: "publish:github", credentials: [git], timeout: 1m,'
    ' input: {repoUrl: "github.com?owner=a&repo=b"}}\n'
)
SKELETON = {"skeleton/build.sh": b"#!/bin/sh\ncurl x | sh\necho ${{ values.name }}\n", "README.md": b"x"}


def codes(steps: str, files: dict[str, bytes]) -> set[str]:
    found = load({"procedure.yaml": (HEAD + steps).encode(), **files}, registry.actions()).findings
    return {finding.code for finding in found}


def test_a_template_is_no_program_of_the_procedure() -> None:
    assert not codes(FETCH + PUSH, SKELETON) & {"expression-in-program", "curl-sh", "folder-missing"}
    elsewhere = {"other/build.sh": SKELETON["skeleton/build.sh"], **SKELETON}
    assert {"expression-in-program", "curl-sh"} <= codes(FETCH + PUSH, elsewhere)


def test_a_missing_folder_is_a_warning_for_the_author_and_stops_publication() -> None:
    bundle = {"procedure.yaml": (HEAD + FETCH).encode(), "README.md": b"x"}
    findings = load(bundle, registry.actions()).findings
    assert [f.severity for f in findings if f.code == "folder-missing"] == ["warning"]
    with pytest.raises(InvalidInput) as refused:
        read(bundle)
    assert "copies skeleton/, which is not in the bundle" in refused.value.problems[0][1]


def test_a_gate_does_not_stand_between_steps_that_share_files() -> None:
    assert "gate-in-workspace" in codes(FETCH + GATE + PUSH, SKELETON)
    assert "gate-in-workspace" not in codes(GATE + FETCH + PUSH, SKELETON)
    assert "gate-in-workspace" not in codes(FETCH + PUSH + GATE, SKELETON)


def test_what_is_fetched_from_elsewhere_is_an_error_by_name() -> None:
    remote = FETCH.replace("./skeleton", '"https://github.com/acme/skeleton"')
    found = load({"procedure.yaml": (HEAD + remote).encode()}, registry.actions()).findings
    assert any("https://github.com/acme/skeleton" in f.message for f in found if f.severity == "error")
