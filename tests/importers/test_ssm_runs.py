"""Imported SSM documents run for real: they print what the originals print, and hostile values stay values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from procedures.actions.local import LocalScript
from procedures.domain.expressions import render, text_of
from procedures.domain.importing import Imported
from procedures.domain.rendering import script_environment
from tests.actions.calls import HOSTILE, Collected, call
from tests.fixtures.counterparts import need
from tests.importers.ssm_documents import automation, command, program, read, spec


def run(one: Imported, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`opsportal run --local` of an imported procedure, in the real sandbox."""
    need("bwrap")
    for path, data in one.files.items():
        place = folder / one.name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    argv = [sys.executable, "-m", "opsportal.cli.main", "run", "--local", one.name, *words]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPSPORTAL_URL": "http://localhost:9"}
    environ["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent.parent)
    return subprocess.run(argv, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)


def test_an_imported_automation_prints_what_the_original_prints(tmp_path: Path) -> None:
    hostile = "$(touch owned); 'x' {{ Who }}"
    done = run(read("script.yaml").procedures[0], tmp_path, "--Who", "Ada")
    line = "hello Ada"
    assert done.stdout == f"{line * 2} {{not a name}} False ['one', 'two']\nshort\nlast\n", done.stderr
    assert done.returncode == 0
    done = run(read("script.yaml").procedures[0], tmp_path, "--Who", hostile, "--Times", "1", "--Mode", "long")
    said = f"hello {hostile}"
    assert done.stdout.splitlines() == [
        f"{said} {{not a name}} False ['one', 'two']",
        f"long {{'said': {said!r}, 'count': 2}}",
        "clean",
    ], done.stderr
    assert done.returncode == 0


def test_a_critical_step_that_fails_makes_the_run_fail_in_the_end(tmp_path: Path) -> None:
    bad = {**program("bad", "raise ValueError('no')"), "onFailure": "Continue"}
    done = run(automation(bad, program("after", "print('after')")).procedures[0], tmp_path)
    assert (done.returncode, done.stdout) == (1, "after\n")
    assert "verdict" in done.stderr
    mild = automation({**bad, "isCritical": False}, program("after", "print('after')"))
    assert run(mild.procedures[0], tmp_path / "mild").returncode == 0


SHELL = [
    "echo {{ V }} end",
    "X='{{ V }}'\necho \"it is $X\"",
    'echo "it is {{V}}."',
    "cat <<EOF\n{{ V }}\nEOF",
    'for i in 1 2; do echo "$i {{V}}"; done',
    "#!/bin/bash\nset -eu\n[[ '{{ V }}' == plain ]] && echo same || echo other",
]


@pytest.mark.parametrize("text", SHELL)
def test_an_imported_shell_script_prints_what_the_original_prints(text: str) -> None:
    need("bwrap")
    one = command(text, V={"type": "String"}).procedures[0]
    path = spec(one)["steps"][0]["input"]["script"]

    def printed(value: str) -> str:
        io = Collected()
        given = {"V": value}
        env = script_environment(given)
        files = {path: one.files[path]}
        result = LocalScript().run(call(input={"script": path}, files=files, parameters=given, env=env), io)
        assert result.outcome == "succeeded", io.out
        return io.text

    program = "/bin/bash" if text.startswith("#!") else "/bin/sh"
    original = subprocess.run(
        [program, "-c", text.replace("{{ V }}", "plain").replace("{{V}}", "plain")], capture_output=True, check=False
    )
    assert printed("plain") == original.stdout.decode()
    for value in (HOSTILE["substitution"], HOSTILE["quote"], HOSTILE["backticks"]):
        printed(value)
        assert not Path("/tmp/owned").exists()


COUNTERPART = """
import json, os
class Client:
    def __init__(self, service, region):
        self.service, self.region = service, region
    def __getattr__(self, name):
        def method(**given):
            print(json.dumps([self.service, self.region, name, given, os.environ["AWS_SESSION_TOKEN"][:2]]))
            answers = json.load(open("/bundle/answers.json"))
            return {"ResponseMetadata": {}, **answers.get(name, {})}
        return method
def client(service, region_name):
    return Client(service, region_name)
"""
NAMES = "import re\ndef xform_name(name):\n    return re.sub('(?<!^)(?=[A-Z])', '_', name).lower()\n"


def calls_of(step: str, answers: Mapping[str, Any], **given: Any) -> tuple[Any, list[Any]]:
    """Run one AWS step in the sandbox against a counterpart that writes down what it is asked."""
    need("bwrap")
    one = read("calls.json").procedures[0]
    extra = {"boto3.py": COUNTERPART, "botocore.py": NAMES, "answers.json": json.dumps(answers)}
    files = {**one.files, **{path: text.encode() for path, text in extra.items()}}
    values = {"InstanceId": ["i-1", "i-2"], "Topic": 'arn "x"', **given}
    scope = {"parameters": values, "steps": {"look": {"output": {"Zones": ["z1"]}}}}
    wanted = next(row for row in spec(one)["steps"] if row["id"] == step)["input"]["env"]
    env = {k: text_of(render(v, scope)) for k, v in wanted.items() if k.startswith("SSM_")}
    env |= {"AWS_REGION": "eu-central-1", "AWS_SESSION_TOKEN": "to-ken", "SSM_POLL_S": "0.01"}
    io = Collected()
    result = LocalScript().run(
        call(input={"script": f"step_{step}.py"}, files=files, parameters=values, env=env, run_id=uuid4()), io
    )
    assert b"Traceback" not in io.out.get("stderr", b""), io.out
    return result, [json.loads(line) for line in io.text.splitlines()]


def test_an_aws_step_calls_what_the_document_says_with_values_as_data() -> None:
    answer = {"Reservations": [{"Instances": [{"Placement": {"AvailabilityZone": "a"}, "State": {"Name": "stopped"}}]}]}
    result, asked = calls_of("look", {"describe_instances": answer})
    assert result.output == {"Reservations": answer["Reservations"], "Zones": ["a"], "Succeeded": True}
    assert asked == [["ec2", "eu-central-1", "describe_instances", {"InstanceIds": ["i-1", "i-2"]}, "to"]]
    result, asked = calls_of("stop", {"describe_instances": answer})
    assert [row[2] for row in asked] == ["stop_instances", "describe_instances"]
    assert asked[0][3] == {"InstanceIds": ["i-1", "i-2"], "Force": True}
    assert calls_of("check", {"describe_instances": answer})[0].outcome == "succeeded"
    answer["Reservations"][0]["Instances"][0]["State"]["Name"] = "running"
    assert calls_of("check", {"describe_instances": answer})[0].outcome == "failed"


def test_a_value_inside_json_cannot_leave_its_place() -> None:
    result, asked = calls_of("call", {"invoke": {"StatusCode": 200}}, Topic='x", "admin": "yes')
    assert json.loads(asked[0][3]["Payload"]) == {"topic": 'x", "admin": "yes', "zones": ["z1"]}
    assert result.output["StatusCode"] == 200
    failed, _ = calls_of("call", {"invoke": {"FunctionError": "Unhandled"}})
    assert failed.outcome == "failed"


def test_a_step_without_boto3_says_what_it_needs() -> None:
    need("bwrap")
    one = read("calls.json").procedures[0]
    io = Collected()
    values = {"InstanceId": ["i-1"], "Topic": "x"}
    files = {**one.files, "boto3.py": b"raise ImportError"}
    LocalScript().run(
        call(input={"script": "step_look.py"}, files=files, parameters=values, env={"AWS_REGION": "x"}), io
    )
    assert b"needs boto3 on the runner" in io.out["stderr"]
