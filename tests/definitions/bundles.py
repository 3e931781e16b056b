"""A small procedure that lints clean, and ways to spoil it."""

from __future__ import annotations

from procedures.definitions import registry
from procedures.definitions.findings import Finding
from procedures.definitions.load import load

YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: tidy, title: Tidy}
spec:
  owner: group:default/x
  type: operation
  risk: RISK
  environments: [development]
  timeout: 5m
  parameters:
    properties:
      word: {type: string, title: Word}
  steps:
    - id: one
      action: local:script
      timeout: 1m
      input: {script: one.sh}
"""
SCRIPT = '#!/bin/sh\nset -eu\necho "$PARAM_WORD"\n'
TEST = "parameters: {word: a}\nexpect: {order: [one]}\n"


def bundle(*swaps: tuple[str, str], risk: str = "moderate", **files: str | bytes) -> dict[str, bytes]:
    """The clean procedure with texts of its YAML swapped, and files added; `__` in a name is a dot, `___` a slash."""
    text = YAML.replace("RISK", risk)
    for old, new in swaps:
        assert old in text, old
        text = text.replace(old, new)
    found = {"procedure.yaml": text.encode(), "one.sh": SCRIPT.encode(), "README.md": b"Tidies.\n"}
    found["tests/works.yaml"] = TEST.encode()
    for name, content in files.items():
        path = name.replace("___", "/").replace("__", ".")
        found[path] = content.encode() if isinstance(content, str) else content
    return found


def script(*lines: str, risk: str = "moderate") -> dict[str, bytes]:
    """The clean procedure whose script has these lines from line 4 on."""
    return bundle(risk=risk, one__sh=SCRIPT + "\n".join(lines) + "\n")


def lint(files: dict[str, bytes], *, tools: tuple[str, ...] = ()) -> list[Finding]:
    return load(files, registry.actions(), tools=tools).findings


def codes(files: dict[str, bytes]) -> list[str]:
    return [finding.code for finding in lint(files)]
