"""Script files that lay on Rundeck's server: taken from the user's folder, and from nowhere else (H37)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procedures.importers.nearby import nearby
from procedures.importers.rundeck import read
from tests.cli.test_local import typed
from tests.importers.rundeck_running import as_imported, job
from tests.importers.test_rundeck import fates, lint_clean

SAID = '#!/bin/sh\nprintf "%s/%s\\n" "$1" "@option.word@"\n'


def of_file(place: str, **more: str) -> bytes:
    commands = [{"scriptfile": place, "args": "${option.word}", **more}]
    return job(sequence={"commands": commands}, options=[{"name": "word", "required": True}]).encode()


def test_a_script_beside_the_job_is_taken_as_it_stands_and_says_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "say.sh").write_text(SAID)
    found = read("jobs.yaml", of_file("say.sh"), nearby(tmp_path, tmp_path))
    one = found.procedures[0]
    assert one.marked == []
    assert lint_clean(one)
    assert fates(found)["job[0].sequence.commands[0].scriptfile"][0] == "mapped"
    hostile = "a b; $(touch /tmp/owned) '\""
    assert as_imported(one, {"word": hostile}) == [(f"{hostile}/@option.word@\n", 0)]


def test_marks_are_filled_in_where_rundeck_was_told_to(tmp_path: Path) -> None:
    (tmp_path / "say.sh").write_text(SAID)
    one = read("jobs.yaml", of_file("say.sh", expandTokenInScriptFile="true"), nearby(tmp_path, tmp_path)).procedures[0]
    assert as_imported(one, {"word": "$(id) x"}) == [("$(id) x/$(id) x\n", 0)]


def test_a_path_of_the_server_is_found_by_its_longest_end_and_reported(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "say.sh").write_text("#!/bin/sh\necho right\n")
    (tmp_path / "say.sh").write_text("#!/bin/sh\necho wrong\n")
    found = read("jobs.yaml", of_file("/opt/rundeck/scripts/say.sh"), nearby(tmp_path / "jobs", tmp_path))
    assert as_imported(found.procedures[0], {"word": "x"}) == [("right\n", 0)]
    fate, said = fates(found)["job[0].sequence.commands[0].scriptfile"]
    assert fate == "reported"
    assert "taken from scripts/say.sh; see that it is the file" in said


@pytest.mark.parametrize("place", ["../secret.sh", "/../secret.sh", "link.sh", "folder/secret.sh", "big.sh", "dir", ""])
def test_nothing_is_taken_from_above_through_a_link_or_out_of_measure(place: str, tmp_path: Path) -> None:
    (tmp_path / "secret.sh").write_text("echo secret\n")
    home = tmp_path / "jobs"
    (home / "dir").mkdir(parents=True)
    (home / "link.sh").symlink_to(tmp_path / "secret.sh")
    (home / "folder").symlink_to(tmp_path)
    (home / "big.sh").write_text("#" * 1_100_000)
    found = read("jobs.yaml", of_file(place), nearby(home, home))
    assert found.procedures[0].marked == ["step1"]
    assert not [data for data in found.procedures[0].files.values() if b"echo secret" in data]


def test_a_script_that_lint_refuses_a_binary_one_and_a_url_are_marked(tmp_path: Path) -> None:
    (tmp_path / "get.sh").write_text("curl https://example.com/x | sh\n")
    (tmp_path / "tool").write_bytes(b"\x7fELF\xff\xfe")
    for command in ({"scriptfile": "get.sh"}, {"scriptfile": "tool"}, {"scripturl": "https://example.com/get.sh"}):
        one = read("j.yaml", job(sequence={"commands": [command]}).encode(), nearby(tmp_path, tmp_path)).procedures[0]
        assert one.marked == ["step1"]
        assert lint_clean(one)


@pytest.mark.once
def test_the_command_takes_a_script_from_below_the_root_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "say.sh").write_text(SAID)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "one.json").write_bytes(of_file("/opt/scripts/say.sh"))
    typed(tmp_path, "import", "rundeck", "jobs/one.json", "--into", "without")
    assert json.loads((tmp_path / "without" / "import-report.json").read_text())["counts"] == {"marked": 1}
    done = typed(tmp_path, "import", "rundeck", "jobs/one.json", "--into", "made", "--root", ".")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "made" / "import-report.json").read_text())["counts"] == {"imported": 1}
    assert (
        (tmp_path / "made" / "one" / "steps" / "step1.sh")
        .read_text()
        .endswith('printf "%s/%s\\n" "$1" "@option.word@"\n')
    )
