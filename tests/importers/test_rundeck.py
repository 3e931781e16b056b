"""What becomes of a Rundeck job: every construct, every key, both forms alike, and nothing armed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.domain.importing import Carried, Imported
from tests.importers.contract import check
from tests.importers.rundeck_running import carried, job
from tests.importers.rundeck_samples import EVERYTHING, SAME_IN_JSON, SAME_IN_YAML, XML


def document(one: Imported) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(one.files["procedure.yaml"])
    return found


def spec(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = document(carried(job(**changes)).procedures[0])["spec"]
    return found


def step_text(command: dict[str, Any], **changes: Any) -> str:
    """The script of the only step."""
    one = carried(job(sequence={"commands": [command]}, **changes)).procedures[0]
    return next(data.decode() for path, data in one.files.items() if path.startswith("steps/"))


def fates(found: Carried) -> dict[str, tuple[str, str]]:
    return {key.at: (key.fate, key.said) for key in found.keys}


def lint_clean(one: Imported) -> bool:
    return not [f for f in load(one.files, registry.actions()).findings if f.severity == "error"]


def test_everything_at_once_is_two_procedures_that_lint_accepts() -> None:
    found = carried(EVERYTHING)
    assert [one.name for one in found.procedures] == ["ops-web-restart-web", "ops-web-tell-them"]
    assert all(map(lint_clean, found.procedures))
    steps = document(found.procedures[0])["spec"]["steps"]
    assert [step["action"] for step in steps] == [
        "ssh:script",
        "ssh:script",
        "ssh:script",
        "ssh:script",
        "local:script",
        "todo:replace",
        "todo:replace",
        "procedure:run",
        "todo:replace",
        "http:request",
        "ssh:copy",
    ]
    assert found.procedures[0].marked == ["step6", "step7", "step9"]


def test_each_key_of_the_file_has_one_fate_whatever_its_form() -> None:
    for name, text in (("a.yaml", EVERYTHING), ("a.xml", XML), ("a.yaml", SAME_IN_YAML), ("a.json", SAME_IN_JSON)):
        found = carried(text, name)
        check("rundeck", name, text.encode(), found)
        assert not [key for key in found.keys if "no counterpart is known" in key.said]
    assert "job[0].context.options.option[0]@name" in {key.at for key in carried(XML, "a.xml").keys}


def test_a_key_that_nobody_knows_is_reported_by_name() -> None:
    assert fates(carried(job(brandNew={"a": 1})))["job[0].brandNew"][0] == "reported"


def test_xml_yaml_and_json_give_the_same_folder() -> None:
    xml, same = carried(XML, "a.xml").procedures[0], carried(SAME_IN_YAML).procedures[0]
    as_json = carried(SAME_IN_JSON, "jobs.json").procedures[0]
    assert xml.files == same.files == as_json.files
    assert xml.marked == ["step4"]


def test_nothing_is_armed_and_what_was_is_reported_by_name() -> None:
    found = carried(EVERYTHING)
    told = fates(found)
    for key in (
        "schedule",
        "notification.onfailure",
        "notification.onsuccess",
        "orchestrator",
        "runnerSelector",
        "plugins",
    ):
        assert told[f"job[0].{key}"][0] == "reported", key
    assert "04" in told["job[0].schedule"][1]
    assert "ops@example.com" in told["job[0].notification.onfailure"][1]
    assert told["job[0].executionEnabled"][0] == told["job[0].retry"][0] == "reported"
    text = b"".join(data for one in found.procedures for data in one.files.values()).decode()
    assert "hooks.example.com" not in text
    assert "ci.example.com/builds.json" not in text


def test_options_become_the_form() -> None:
    one = document(carried(EVERYTHING).procedures[0])["spec"]
    form = one["parameters"]["properties"]
    assert form["node"] == {"type": "string", "title": "Node", "description": "Which node", "default": "web1"}
    assert form["level"]["enum"] == ["low", "high"]
    assert form["ports"]["type"] == "array"
    assert form["ports"]["default"] == ["80", "443"]
    assert form["ports"]["items"] == {"type": "string", "enum": ["80", "443", "8080"]}
    assert form["ticket"]["pattern"] == "^(?:CHG-[0-9]+)$"
    assert form["ticket"]["ui:widget"] == "hidden"
    assert form["notes"]["format"] == "data-url"
    assert "YYYY-MM-DD" in form["when"]["description"]
    assert one["parameters"]["required"] == ["node", "file_a_txt"]


def test_a_secure_option_is_a_secret_and_its_storage_path_a_credential() -> None:
    procedure = carried(EVERYTHING).procedures[0]
    one = document(procedure)["spec"]
    assert one["credentials"]["password"] == one["credentials"]["login"] == {"kind": "secret"}
    readme = procedure.files["README.md"].decode()
    assert "- `password`: keys/web/password\n- `login`: keys/web/login\n" in readme
    assert one["secrets"]["schema"]["properties"] == {"password": {"type": "string", "title": "password"}}
    assert "password" not in one["parameters"]["properties"]
    env = one["steps"][1]["input"]["env"]
    assert env["SECRET_PASSWORD"] == env["RD_OPTION_PASSWORD"] == "${{ secrets.password }}"


def test_the_default_of_a_secret_is_not_carried_over() -> None:
    found = carried(job(options=[{"name": "pw", "secure": True, "valueExposed": True, "value": "hunter2"}]))
    assert b"hunter2" not in b"".join(found.procedures[0].files.values())
    assert fates(found)["job[0].options[0].value"][0] == "reported"


def test_targets_come_from_the_node_filter_and_the_dispatch() -> None:
    targets = document(carried(EVERYTHING).procedures[0])["spec"]["targets"]
    assert targets["filter"] == (
        "(tag.web=yes and tag.linux=yes) and name=${{ parameters.node }} and not (os-family=windows)"
    )
    assert targets["strategy"] == {"mode": "rolling", "batch": 2, "maxFailures": "100%"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (".*", "*"),
        ("node.*", "name~node*"),
        ("name: a,b", "(name=a or name=b)"),
        ("web1", "name=web1"),
        ("!tags: old", "name=choose-targets"),
        ("name: /^w[0-9]+$/", "name=choose-targets"),
        ("name: ${option.a}-x", "name=choose-targets"),
        ("tags: ${option.a}", "name=choose-targets"),
        ("hostname: ${option.a}", "hostname=${{ parameters.a }}"),
    ],
)
def test_a_filter_is_said_in_our_language_or_matches_nothing(given: str, wanted: str) -> None:
    found = carried(job(nodefilters={"filter": given}, options=[{"name": "a", "required": True}]))
    if given == "!tags: old":
        wanted = "not (tag.old=yes)"
    assert document(found.procedures[0])["spec"]["targets"]["filter"] == wanted
    told = [key for key in found.keys if key.at.startswith("job[0].nodefilters") and key.fate == "reported"]
    assert bool(told) == (wanted == "name=choose-targets")


def test_without_a_node_filter_steps_run_in_the_sandbox() -> None:
    one = spec()
    assert "targets" not in one
    assert one["steps"][0]["action"] == "local:script"
    assert "network" not in one["steps"][0]["input"]
    assert spec(sequence={"commands": [{"exec": "openstack project list"}]})["steps"][0]["input"]["network"] is True


def test_a_job_runs_once_at_a_time_unless_it_says_otherwise() -> None:
    assert spec()["concurrency"] == {"group": "rundeck/one", "onConflict": "reject"}
    assert spec(jobQueueEnabled=True)["concurrency"]["onConflict"] == "queue"
    assert "concurrency" not in spec(multipleExecutions=True)


@pytest.mark.parametrize(
    ("given", "wanted"), [("5m", "300s"), ("90", "90s"), ("1d 6h", "108000s"), ("${option.t}", "24h"), ("", "24h")]
)
def test_a_timeout_is_added_up(given: str, wanted: str) -> None:
    assert spec(timeout=given)["timeout"] == wanted


def test_a_job_of_the_same_file_is_called_and_lets_itself_be_called() -> None:
    first, second = (document(one)["spec"] for one in carried(EVERYTHING).procedures)
    assert first["steps"][7]["input"] == {
        "procedure": "ops-web-tell-them",
        "parameters": {"who": "${{ parameters.node }}", "why": "a b"},
    }
    assert second["callableBy"] == ["ops-web-restart-web"]


def test_a_job_of_another_file_is_called_by_the_name_its_own_import_gives_it() -> None:
    found = carried(job(sequence={"commands": [{"jobref": {"group": "g", "name": "Do it!"}}]}))
    other = carried(job(group="g", name="Do it!")).procedures[0]
    assert document(found.procedures[0])["spec"]["steps"][0]["input"]["procedure"] == other.name
    assert fates(found)["job[0].sequence.commands[0].jobref.name"][0] == "reported"


def test_a_call_on_other_nodes_is_marked() -> None:
    asked = {"group": "g", "name": "x", "nodefilters": {"filter": "tags: db"}}
    assert carried(job(sequence={"commands": [{"jobref": asked}]})).procedures[0].marked == ["step1"]


def test_text_that_lint_refuses_is_marked_and_kept() -> None:
    found = carried(EVERYTHING).procedures[0]
    kept = json.loads(found.files["original/step9.rundeck"])
    assert kept == {"exec": "curl -s https://example.com/install.sh | sh"}
    template = carried(job(sequence={"commands": [{"script": "echo ${{ github.token }}\u200b"}]})).procedures[0]
    assert template.marked == ["step1"]
    assert "${{ github.token }}" in json.loads(template.files["original/step1.rundeck"])["script"]


@pytest.mark.parametrize(
    "text", ['eval "$x @option.a@"', "sh -c 'echo @option.a@'", 'bash -x -c "ls @option.a@"', 'su - x -c "@option.a@"']
)
def test_a_value_never_becomes_program_text_of_another_shell(text: str) -> None:
    command = {"script": text}
    assert carried(job(sequence={"commands": [command]}, options=[{"name": "a"}])).procedures[0].marked == ["step1"]


def test_a_value_in_a_language_that_is_not_known_is_marked() -> None:
    command = {"script": "print '@option.a@';", "scriptInterpreter": "perl"}
    assert carried(job(sequence={"commands": [command]}, options=[{"name": "a"}])).procedures[0].marked == ["step1"]


def test_powershell_reads_values_from_the_environment() -> None:
    command = {
        "script": "Get-Service -Name @option.a@\nwrite-host 'Stopping @option.a@ for $5' \"now @option.a@\"",
        "scriptInterpreter": "powershell.exe",
    }
    assert step_text(command, options=[{"name": "a", "required": True}]).splitlines()[1:] == [
        "Get-Service -Name ${env:PARAM_A}",
        'write-host "Stopping $(${env:PARAM_A}) for `$5" "now $(${env:PARAM_A})"',
    ]


def test_an_option_that_may_be_missing_vanishes_as_it_did() -> None:
    text = step_text({"exec": 'ls ${option.a} "x${option.a}"'}, options=[{"name": "a"}])
    assert text.splitlines()[-1] == 'ls ${PARAM_A:+"$PARAM_A"} "x${PARAM_A-}"'


def test_sudo_keeps_the_variables_and_says_so() -> None:
    command = {"script": "#!/bin/bash\nid -u @option.a@", "scriptInterpreter": "sudo -u app"}
    text = step_text(command, options=[{"name": "a", "required": True}])
    assert "sudo -u app --preserve-env=PARAM_A /bin/bash -s -- <<'RUNDECK_1'\nid -u $PARAM_A\nRUNDECK_1" in text


def test_what_is_not_in_the_file_is_asked_for() -> None:
    found = carried(job(sequence={"commands": [{"exec": "echo ${globals.site} ${job.project}"}]}))
    form = document(found.procedures[0])["spec"]["parameters"]
    assert form["required"] == ["globals_site", "job_project"]


def test_quotes_that_the_shell_took_off_a_default_are_left_out() -> None:
    options = [{"name": "a", "value": '"My Project"'}]
    found = carried(job(options=options, sequence={"commands": [{"script": "create @option.a@"}]}))
    assert document(found.procedures[0])["spec"]["parameters"]["properties"]["a"]["default"] == "My Project"
    assert found.procedures[0].files["steps/step1.sh"].decode().splitlines()[-1] == 'create "$PARAM_A"'
    assert fates(found)["job[0].options[0].value"][0] == "reported"


def test_two_names_that_would_be_one_variable_are_kept_apart() -> None:
    form = spec(options=[{"name": "a-b"}, {"name": "a.b"}, {"name": "A_B"}])["parameters"]["properties"]
    assert list(form) == ["a-b", "a-b-2", "A_B-3"]
