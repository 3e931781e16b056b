"""With a portal, exactly the accepted files count: tried against a real one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
LACKING = "acceptance of these very files"


def checked_out(office: Office, repository: Path) -> Path:
    """The accepted files, as a developer would have them."""
    rows = office.company["adam"].good("GET", "/api/v1/versions/", params={"procedure": "greet"})["results"]
    version = next(row["id"] for row in rows if row["state"] == "accepted")
    folder = repository / "greet"
    for path, content in office.company["adam"].good("GET", f"/api/v1/versions/{version}/files/")["files"].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(base64.b64decode(content))
    return folder


def lacks(office: Office, repository: Path) -> list[str]:
    done = office.type("adam", "check-coverage", str(repository), "--format", "json")
    found: list[str] = json.loads(done.stdout)["components"][0]["procedures"][0]["lacks"]
    return found


def test_the_accepted_files_count_and_one_byte_more_does_not(office: Office, accepted: str, tmp_path: Path) -> None:
    folder = checked_out(office, tmp_path)
    assert LACKING not in lacks(office, tmp_path)
    with (folder / "say.sh").open("a") as script:
        script.write("\n")
    assert LACKING in lacks(office, tmp_path)
