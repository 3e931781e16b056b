"""The gate tells the truth in its last line, and with CI=true a skipped test fails it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate import ROOT

PASSES = "def test_it_holds():\n    assert True\n"
SKIPS = "import pytest\n@pytest.mark.skip(reason='no counterpart')\ndef test_it_is_left_out():\n    assert True\n"
FAILS = "def test_it_does_not_hold():\n    assert not True\n"
ERRS = "import nothing_of_that_name\n"
MEETS = """
import pathlib, time, pytest
@pytest.mark.both
def test_the_other_session_runs_meanwhile(request):
    database, folder, until = request.config.getoption("--database"), pathlib.Path(__file__).parent, time.time() + 90
    (folder / database).touch()
    while not (there := {"sqlite", "postgresql"} <= {path.name for path in folder.iterdir()}) and time.time() < until:
        time.sleep(0.05)
    assert there
@pytest.mark.both
def test_it_holds_on_one_alone(request):
    assert request.config.getoption("--database") == "sqlite"
"""


def gate(folder: Path, source: str, *switches: str, ci: bool) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(source)
    program = "import sys; from tests.gate import main; sys.exit(main(sys.argv[1:]))"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    argv = [sys.executable, "-c", program, *switches, str(folder / "test_sample.py")]
    return subprocess.run(
        argv, cwd=ROOT, env={**environ, "CI": "true" if ci else ""}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("source", "ci", "code", "last_line"),
    [
        (PASSES, True, 0, "1 passed, 0 skipped"),
        (PASSES + SKIPS, True, 1, "1 passed, 1 skipped"),
        (PASSES + SKIPS, False, 0, "1 passed, 1 skipped"),
        (PASSES + FAILS, False, 1, "1 passed, 0 skipped, 1 failed"),
        (ERRS, False, 1, "0 passed, 0 skipped, 1 failed"),
        ("", True, 1, "0 passed, 0 skipped"),
    ],
)
def test_last_line_and_exit_code_say_how_it_went(
    tmp_path: Path, source: str, *, ci: bool, code: int, last_line: str
) -> None:
    ended = gate(tmp_path, source, "-n", "0", "--database=sqlite", ci=ci)
    assert ended.stdout.rstrip().rpartition("\n")[2] == last_line, ended.stdout + ended.stderr
    assert ended.returncode == code


def test_database_tests_run_on_both_and_are_counted_together(tmp_path: Path) -> None:
    on_both = "import pytest\n@pytest.mark.both\ndef test_on_both():\n    assert True\n"
    ended = gate(tmp_path, PASSES + on_both, "-n", "0", ci=True)
    assert ended.stdout.rstrip().rpartition("\n")[2] == "3 passed, 0 skipped", ended.stdout + ended.stderr


def test_both_databases_are_tested_at_once_and_what_fails_on_the_second_fails_the_gate(tmp_path: Path) -> None:
    ended = gate(tmp_path, PASSES + MEETS, ci=True)
    assert ended.stdout.rstrip().rpartition("\n")[2] == "4 passed, 0 skipped, 1 failed", ended.stdout + ended.stderr
    assert ended.returncode == 1
    first, second = ended.stdout.partition("== postgresql")[::2]
    assert first.startswith("== sqlite")
    assert ("3 passed" in first, "1 failed, 1 passed" in second) == (True, True), ended.stdout
