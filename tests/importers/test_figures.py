"""What came over of all public files, counted, beside those that nobody had to touch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from opsportal.cli.importing import import_files
from opsportal.cli.linting import found_in
from tests.importers import corpora

KINDS = {
    "rundeck": ("rundeck-yaml", "rundeck-xml"),
    "backstage": ("backstage-template",),
    "ssm": ("ssm-automation", "ssm-command"),
    "awx": ("awx-survey",),
}


@pytest.mark.figures
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", sorted(KINDS) if corpora.DATA else [])
def test_every_public_file_ends_with_an_outcome_and_every_result_lints(
    kind: str, tmp_path: Path, figure: Callable[[str, Any], None]
) -> None:
    places = [str(place) for place in corpora.files(*KINDS[kind])]
    done = CliRunner().invoke(import_files, [kind, *places, "--into", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    results = [Path(one["folder"]) for row in report["files"] for one in row["procedures"]]
    errors = [f for folder in results for f in found_in(folder, several=True) if f.severity == "error"]
    fates = Counter(key["fate"] for row in report["files"] for key in row["keys"])
    marked = sum(len(one["marked"]) for row in report["files"] for one in row["procedures"])
    figure(
        f"import_{kind}",
        {
            "files": len(places),
            "outcomes": report["counts"],
            "procedures": len(results),
            "marked_steps": marked,
            "keys": dict(sorted(fates.items())),
            "lint_errors": len(errors),
        },
    )
    assert not errors
    assert report["counts"].get("refused", 0) <= 0.05 * len(places)
