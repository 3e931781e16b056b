"""Small SSM documents, and what came out of them, for the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from procedures.domain.importing import Carried, Imported
from procedures.importers import ssm
from tests.importers.contract import SAMPLES


def read(name: str) -> Carried:
    return ssm.read(name, (SAMPLES / "ssm" / name).read_bytes())


def automation(*steps: Mapping[str, Any], **asked: Any) -> Carried:
    document = {"schemaVersion": "0.3", "parameters": asked, "mainSteps": steps}
    return ssm.read("document.json", json.dumps(document).encode())


def program(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "action": "aws:executeScript",
        "inputs": {"Runtime": "python3.11", "Handler": "h", "Script": f"def h(e, c):\n    {text}\n", **more},
    }


def spec(one: Imported) -> Any:
    return yaml.safe_load(one.files["procedure.yaml"])["spec"]


def steps(carried: Carried) -> dict[str, Any]:
    return {step["id"]: step for step in spec(carried.procedures[0])["steps"]}


def fates(carried: Carried) -> dict[str, tuple[str, str]]:
    return {key.at: (key.fate, key.said) for key in carried.keys}


def command(*lines: str, **asked: Any) -> Carried:
    inputs = {"runCommand": list(lines)}
    step = {"action": "aws:runShellScript", "name": "go", "inputs": inputs}
    document = {"schemaVersion": "2.2", "parameters": asked, "mainSteps": [step]}
    return ssm.read("command.json", json.dumps(document).encode())
