"""What the command line says at three in the morning: the field, all choices, and the next step; never a traceback."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Office
from tests.cli.test_commands import DENIED, DONE, FAILED, USAGE, greet, number, said

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def test_a_refusal_is_told_once_with_the_field_and_all_choices(office: Office) -> None:
    done = office.type("mira", "access", "grant", "person:quinn", "runn", "--reason", "x")
    assert done.stderr.count("/object/verbs/0") == 1, done.stderr
    for verb in ("manage_access", "break_glass"):
        assert verb in done.stderr, done.stderr
    broken = office.folder / "broken.json"
    broken.write_text("{not json")
    done = office.type("mira", "control", "propose", "duty", str(broken))
    assert (done.returncode, "line 1 column 2" in done.stderr, "Traceback" in done.stderr) == (USAGE, True, False)


def test_who_is_not_signed_in_is_told_how_to(office: Office) -> None:
    done = office.type("nobody", "procedures")
    assert (done.returncode, "opsportal login" in done.stderr) == (DENIED, True), said(done)


def test_a_procedure_that_nobody_accepted_says_so_instead_of_blaming_its_parameters(office: Office) -> None:
    sent = office.type("adam", "submit", str(office.bundle("unaccepted")), "--note", "x")
    assert sent.returncode == DONE, sent.stderr
    words = ["run", "unaccepted", "--environment", "development", "--who", "x"]
    done = office.type("quinn", *words)
    assert (done.returncode, "No version of unaccepted is accepted (in review)" in done.stderr) == (FAILED, True), said(
        done
    )
    done = office.type("adam", *words, "--draft")
    assert (done.returncode, "submit FOLDER --draft" in done.stderr) == (FAILED, True), said(done)
    done = office.type("olga", "review", "unaccepted")
    digest = sent.stdout.split()[-1].removeprefix("sha256:")
    assert f"unaccepted@{digest[:12]}  v1 in review" in done.stderr, said(done)


def test_a_run_is_found_by_its_number_however_many_came_since(office: Office, accepted: str) -> None:
    first = number(said(greet(office, "--who", "ann")))
    assert office.type("quinn", "logs", f"#{first}").returncode == DONE
    rows = json.loads(office.type("quinn", "runs", "--json").stdout)["results"]
    found = office.company["quinn"].good("GET", f"/api/v1/runs/?no={first}")["results"]
    assert [row["no"] for row in found] == [int(first)]
    assert rows
    for wrong in ("x", "99999999999", "0"):
        assert office.company["quinn"].good("GET", f"/api/v1/runs/?no={wrong}")["results"] == []
