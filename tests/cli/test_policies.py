"""Policies on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from opsportal.cli.main import main

DONE, FAILED = 0, 1


def test_tests_of_policies_are_told_one_by_one_and_end_1_where_one_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "p.rego").write_text('package p\n\ndeny contains "no" if input.a > 1\n')
    (tmp_path / "p_test.rego").write_text('package p\n\ntest_a if count(deny) == 1 with input as {"a": 2}\n')
    done = CliRunner().invoke(main, ["policy", "test", str(tmp_path)])
    assert (done.exit_code, done.output) == (DONE, "ok    p_test.rego test_a\n")
    (tmp_path / "q_test.rego").write_text("package q\n\ntest_b if 1 > 2\n")
    done = CliRunner().invoke(main, ["policy", "test", str(tmp_path), "--json"])
    assert done.exit_code == FAILED
    assert [row["ok"] for row in json.loads(done.output)] == [True, False]
    (tmp_path / "empty").mkdir()
    assert CliRunner().invoke(main, ["policy", "test", str(tmp_path / "empty")]).exit_code == FAILED


def test_the_shipped_policies_say_what_their_settings_mean() -> None:
    done = CliRunner().invoke(main, ["policy", "shipped"])
    assert done.exit_code == DONE
    assert "blast-radius: " in done.output
    assert '  pattern: Pattern of a ticket ("[A-Z][A-Z0-9]+-[0-9]+")' in done.output
