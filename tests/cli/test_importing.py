"""`opsportal import`, as it is typed: folders, one report for all files, and no traceback for any of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procedures.definitions import registry
from procedures.definitions.archive import read_folder
from procedures.definitions.load import load
from tests.cli.test_local import typed
from tests.importers.contract import SAMPLES

pytestmark = pytest.mark.once


@pytest.mark.parametrize("kind", ["awx", "ssm"])
def test_each_file_is_imported_marked_or_refused_and_the_report_says_which(kind: str, tmp_path: Path) -> None:
    files = [str(place) for place in sorted((SAMPLES / kind).iterdir())]
    (tmp_path / "bad.json").write_text('{"a": 1,\n"b": [}')
    (tmp_path / "empty.yaml").write_text("")
    done = typed(tmp_path, "import", kind, *files, "bad.json", "empty.yaml", "--into", "made")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "refused    bad.json\n           line 2:" in done.stdout
    report = json.loads((tmp_path / "made" / "import-report.json").read_text())
    assert report["counts"]["refused"] == 2
    assert sum(report["counts"].values()) == len(files) + 2
    for row in report["files"]:
        assert bool(row["keys"]) == (row["outcome"] != "refused")
        for one in row["procedures"]:
            found = load(dict(read_folder(tmp_path / one["folder"])), registry.actions()).findings
            assert not [finding for finding in found if finding.severity == "error"]
            assert len([finding for finding in found if finding.code == "marked-step"]) == len(one["marked"])


def test_a_file_that_is_not_there_is_told_and_the_others_come_over(tmp_path: Path) -> None:
    there = str(SAMPLES / "ssm" / "old.json")
    done = typed(tmp_path, "import", "ssm", "nowhere.json", there, "--into", "made")
    assert done.returncode == 1
    assert "unreadable nowhere.json" in done.stdout
    assert (tmp_path / "made" / "old" / "procedure.yaml").is_file()


def test_a_name_that_was_imported_before_is_told_with_the_folder_that_it_went_to(tmp_path: Path) -> None:
    there = str(SAMPLES / "ssm" / "old.json")
    typed(tmp_path, "import", "ssm", there, "--into", "made")
    done = typed(tmp_path, "import", "ssm", there, "--into", "made")
    assert "old.json → old in made/old-2, since a folder old was there already" in done.stdout
