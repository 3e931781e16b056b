"""A procedure whose tests do what an attacker would do from where they run."""

from __future__ import annotations

DEFINITION = b"""\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: hostile}
spec:
  owner: group:default/x
  type: diagnostic
  risk: low
  environments: [development]
  parameters: {properties: {word: {type: string, title: Word, default: x}}}
  steps:
    - {id: act, action: 'local:script', timeout: 20s, input: {script: act.sh}}
"""
TEST = b"expect: {steps: {act: {exit: 0}}}\n"


def bundle(script: str, *, test: bytes = TEST) -> dict[str, bytes]:
    """A bundle whose one step is this shell script."""
    return {
        "procedure.yaml": DEFINITION,
        "README.md": b"x",
        "act.sh": f"#!/bin/bash\n{script}\n".encode(),
        "tests/act.yaml": test,
    }
