"""What files of the field showed: a word that lint refuses costs one step or one name, and nothing is lost silently."""

from __future__ import annotations

import json

import pytest

from tests.importers.rundeck_running import carried, job
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
