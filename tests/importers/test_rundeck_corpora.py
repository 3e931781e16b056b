"""Rundeck files of public repositories, where they are at hand: how many come over, and that all pass lint."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from opsportal.cli.importing import import_files
from procedures.definitions import registry
from procedures.definitions.load import load
from procedures.importers.rundeck import forms, read, xml_form
from procedures.importers.rundeck.source import truth
from tests.importers.rundeck_running import as_imported, as_rundeck

DATA = os.environ.get("OPSPORTAL_CORPORA", "")
FILES = (
    sorted(p for kind in ("rundeck-yaml", "rundeck-xml") for p in Path(DATA, "corpora", kind).iterdir()) if DATA else []
)
# The tests of one third-party plug-in: each of its files exists to use that plug-in, which has no counterpart here.
OF_A_PLUGIN = "Daryes+rundeck-dependencies-plugin"


def test_public_files_come_over_and_each_result_passes_lint(tmp_path: Path) -> None:
    if FILES:
        done = CliRunner().invoke(import_files, ["rundeck", *map(str, FILES), "--into", str(tmp_path), "--json"])
        assert done.exit_code == 0, done.output
        report = json.loads(done.output)
        outcomes = Counter(row["outcome"] for row in report["files"])
        assert outcomes["refused"] + outcomes["unreadable"] <= 0.05 * len(FILES), outcomes
        field = Counter(row["outcome"] for row in report["files"] if OF_A_PLUGIN not in row["file"])
        assert field["imported"] >= 0.75 * field.total(), field
        for row in report["files"]:
            at = [key["at"] for key in row["keys"]]
            assert len(at) == len(set(at)) > 0


@pytest.mark.parametrize("start", range(0, len(FILES) or 1, 40))
def test_each_public_file_passes_lint_and_has_no_option_pasted(start: int) -> None:
    for place in FILES[start : start + 40]:
        for one in read(place.name, place.read_bytes()).procedures:
            errors = [f for f in load(one.files, registry.actions()).findings if f.severity == "error"]
            assert not errors, (place.name, errors)
            scripts = [data.decode() for path, data in one.files.items() if path.startswith("steps/")]
            assert not [text for text in scripts if "${option." in text or "@option." in text]


# Commands that read and change nothing outside; ten public jobs are made of them.
HARMLESS = re.compile(r"\s*(echo|printf|exit|#|true|:|$)[^`>&|;]*")


def test_ten_public_jobs_say_what_their_originals_said() -> None:
    seen: set[str] = set()
    for place in FILES:
        data = place.read_bytes()
        sources = xml_form.read(data) if place.suffix == ".xml" else forms.read(data)
        for source, one in zip(sources, read(place.name, data).procedures, strict=True):
            first = source.job["sequence"]["commands"][0]
            text = str(first.get("exec") or first.get("script") or "")
            if not text or text in seen or not all(HARMLESS.fullmatch(line) for line in text.splitlines()):
                continue
            seen.add(text)
            options = source.job.get("options") or []
            if any(truth(o.get("secure")) or truth(o.get("multivalued")) or o.get("regex") for o in options):
                continue
            values = {str(option["name"]): str(option.get("value") or "given") for option in options}
            assert as_imported(one, values)[0] == as_rundeck(source.job, values), place.name
    assert len(seen) >= 10 or not FILES
