"""With a portal, exactly the accepted files count: tried against a real one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]


def lacking(office: Office, folder: Path) -> list[str]:
    done = office.type("adam", "check-coverage", str(folder.parent), "--format", "json")
    rows = [row for one in json.loads(done.stdout)["components"] for row in one["procedures"]]
    found: list[str] = next(row["lacks"] for row in rows if row["name"] == "greet")
    return [why for why in found if "acceptance" in why]


def test_the_accepted_files_count_and_one_byte_more_does_not(office: Office, accepted: str) -> None:
    folder = office.bundle()
    assert lacking(office, folder) == []
    with (folder / "say.sh").open("a") as script:
        script.write("\n")
    assert lacking(office, folder) != []
    office.bundle()
