"""`submit --wait`, `submit --draft` and `run --draft`, with the disposable pool that `up` starts."""

from __future__ import annotations

import json

import pytest

from opsportal.cli.portal import DENIED, FAILED
from tests.cli.conftest import YAML, Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
TEST = "parameters: {who: Ada}\nexpect: {steps: {say: {exit: %d}}}\n"


def folder_of(office: Office, name: str, status: int) -> str:
    folder = office.bundle(name)
    (folder / "tests").mkdir(exist_ok=True)
    (folder / "tests" / "says.yaml").write_text(TEST % status)
    return str(folder)


def test_submit_waits_for_the_tests_and_ends_as_they_do(office: Office) -> None:
    good = office.type("adam", "submit", folder_of(office, "tested", 0), "--wait")
    assert (good.returncode, "ok    tests/says.yaml: planned say; ran say in the sandbox" in good.stdout) == (0, True)
    bad = office.type("adam", "submit", folder_of(office, "tested", 4), "--wait")
    assert (bad.returncode, "FAIL  tests/says.yaml: say ended 0, expected was 4" in bad.stdout) == (FAILED, True)
    none = office.type("adam", "submit", str(office.bundle("untested")), "--wait", "--json")
    assert (none.returncode, json.loads(none.stdout)["tests"]["state"]) == (0, "none")


def test_an_author_runs_the_own_draft_and_nobody_else_does(office: Office) -> None:
    folder = office.bundle("draftable", procedure__yaml=YAML.replace("name: greet,", "name: draftable,"))
    made = office.type("adam", "submit", str(folder), "--draft")
    assert (made.returncode, "draftable v1 is your draft" in made.stdout) == (0, True), made.stderr
    words = ["run", "draftable", "--draft", "--environment", "development", "--who", "Ada", "--times", "2"]
    ran = office.type("adam", *words)
    assert (ran.returncode, ran.stdout.count("hello Ada")) == (0, 2), ran.stdout + ran.stderr
    assert office.type("quinn", *words[:5]).returncode == DENIED
    there = office.type("adam", *[word.replace("development", "production") for word in words])
    assert (there.returncode, "No draft runs in production" in there.stderr) == (DENIED, True)
