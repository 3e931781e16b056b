"""What files of the field showed: a word that lint refuses costs one step or one name, and nothing is lost silently."""

from __future__ import annotations

import json

import pytest

from tests.importers.rundeck_running import as_imported, carried, job
from tests.importers.test_rundeck import document, fates, lint_clean


@pytest.mark.parametrize(
    "command",
    [
        "git clone ${option.place}",
        "docker pull registry.example/tool:latest && tool --version",
        "pip install nightly-report",
        "kubectl apply -f https://example.com/all.yaml",
    ],
)
def test_a_command_that_lint_refuses_is_marked_and_never_the_whole_job_refused(command: str) -> None:
    """Its own words are the step's name, and lint reads names too."""
    steps = {"commands": [{"exec": command}, {"exec": "uptime"}, {"exec": "date", "description": f"Like {command}"}]}
    one = carried(job(sequence=steps, options=[{"name": "place", "description": f"for {command}"}])).procedures[0]
    assert one.marked == ["step1"]
    assert json.loads(one.files["original/step1.rundeck"])["exec"] == command
    assert [step["action"] for step in document(one)["spec"]["steps"]] == [
        "todo:replace",
        "local:script",
        "local:script",
    ]
    assert lint_clean(one)


def test_a_mark_that_rundeck_left_alone_is_left_alone_and_reported() -> None:
    """`@option.x@` is filled in in scripts; in a command it stayed as it was."""
    steps = {"commands": [{"exec": "grep @option.word@ /etc/hosts"}, {"script": "grep @option.word@ /etc/hosts"}]}
    found = carried(job(sequence=steps, options=[{"name": "word", "required": True}]))
    scripts = [found.procedures[0].files[f"steps/step{number}.sh"].decode() for number in (1, 2)]
    assert "@option.word@" in scripts[0]
    assert "$PARAM_WORD" in scripts[1]
    said = fates(found)
    fate, words = said["job[0].sequence.commands[0].exec"]
    assert fate == "reported"
    assert "${option.word}" in words
    assert said["job[0].sequence.commands[1].script"][0] == "mapped"


def test_notifications_in_a_list_are_named_by_their_type() -> None:
    notification = {"onfailure": [{"type": "email", "config": {"recipients": "ops@example.com"}}]}
    fate, said = fates(carried(job(notification=notification)))["job[0].notification.onfailure"]
    assert fate == "reported"
    assert said.startswith("notifies by email onfailure; not armed")


@pytest.mark.parametrize(
    "command",
    [
        "bash -c 'echo =${option.word}='",
        'bash -x -c "echo \\"=${option.word}=\\""',
        '/bin/sh -ec "echo \\"=${option.word}=\\"; false; echo never"',
    ],
)
def test_a_shell_that_is_given_its_whole_text_runs_it_with_the_value_as_a_value(command: str) -> None:
    one = carried(job(sequence={"commands": [{"exec": command}]}, options=[{"name": "word", "required": True}]))
    assert one.procedures[0].marked == []
    assert lint_clean(one.procedures[0])
    [(said, status)] = as_imported(one.procedures[0], {"word": "$(touch /tmp/owned); x"})
    assert "=$(touch /tmp/owned); x=" in said
    assert status == (1 if "false" in command else 0)


@pytest.mark.parametrize("command", ['bash -c "echo $HOME ${option.word}"', "sudo bash -c 'echo ${option.word}'"])
def test_a_shell_whose_text_another_one_fills_in_stays_marked(command: str) -> None:
    one = carried(job(sequence={"commands": [{"exec": command}]}, options=[{"name": "word", "required": True}]))
    assert one.procedures[0].marked == ["step1"]


def test_an_interpreter_with_a_flag_is_started() -> None:
    one = carried(job(sequence={"commands": [{"script": "echo on", "scriptInterpreter": "bash -e"}]})).procedures[0]
    assert as_imported(one, {}) == [("on\n", 0)]


def flow(**configuration: str) -> dict[str, object]:
    return {"type": "flow-control", "nodeStep": False, "configuration": {"halt": "true", **configuration}}


def test_a_job_that_ends_early_and_well_skips_what_follows() -> None:
    found = carried(job(sequence={"commands": [{"exec": "echo one"}, flow(fail="false"), {"exec": "echo two"}]}))
    one = found.procedures[0]
    assert one.marked == []
    assert lint_clean(one)
    assert [step.get("if") for step in document(one)["spec"]["steps"]] == [None, None, "${{ false }}"]
    assert "never ran" in fates(found)["job[0].sequence.commands[2].exec"][1]


def test_a_job_that_ends_in_a_state_of_its_own_fails_and_says_the_state() -> None:
    state = "odd '$(touch /tmp/owned)"
    found = carried(job(sequence={"commands": [flow(fail="false", status=state), {"exec": "echo two"}]}))
    [(said, status)] = as_imported(found.procedures[0], {})
    assert (said, status) == (f"The job ends in the state {state}.\n", 1)
    assert "here the run fails" in str(fates(found))


def test_a_handler_that_only_ends_the_job_needs_no_step() -> None:
    command = {"exec": "false", "errorhandler": flow(fail="true")}
    assert carried(job(sequence={"commands": [command]})).procedures[0].marked == []
    goes_on = carried(job(sequence={"keepgoing": True, "commands": [command]})).procedures[0]
    assert goes_on.marked == []
    assert document(goes_on)["spec"]["steps"][0]["onFailure"] == "fail"


def asked(url: str, **more: str) -> str:
    step = {"type": "edu.ohio.ais.rundeck.HttpWorkflowStepPlugin", "configuration": {"remoteUrl": url, **more}}
    return job(sequence={"commands": [step]}, options=[{"name": "url", "required": True}])


def test_a_request_whose_host_is_chosen_at_launch_is_made_by_curl_and_its_value_is_one_word() -> None:
    found = carried(asked("${option.url}/ok", method="POST", headers='{"X-A": "1"}', body="a ${option.url}"))
    one = found.procedures[0]
    assert one.marked == []
    assert lint_clean(one)
    step = document(one)["spec"]["steps"][0]
    assert (step["action"], step["input"]["network"]) == ("local:script", True)
    script = one.files["steps/step1.sh"].decode()
    assert "--proto =http,https --request POST --header 'X-A: '1 --data-raw 'a '" in script
    assert "so curl asks it from the sandbox" in str(fates(found))
    for value in (
        "-o/tmp/owned",
        "file:///etc/passwd",
        "$(touch /tmp/owned)",
        "http://127.0.0.1:9 --next file:///etc/passwd",
    ):
        [(said, status)] = as_imported(one, {"url": value})
        assert status != 0
        assert "root:" not in said


def test_a_job_is_read_by_what_it_holds_and_not_by_its_name() -> None:
    assert carried(job(), "jobs.xml").procedures[0].name == "one"
