"""A secret result from the request to its owner's screen: every file and process of the portal is looked through."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from procedures.domain.encodings import forms
from tests.cli.conftest import Office

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]
CANARY = "canary-44f0c2b7d1"
YAML = """\
apiVersion: opsportal/v1
kind: Procedure
metadata: {name: secretive, title: Secretive, description: Makes a password.}
spec:
  owner: group:default/x
  type: operation
  risk: low
  environments: [development]
  timeout: 1m
  steps:
    - {id: make, action: "local:script", timeout: 30s, input: {script: make.sh}}
  output:
    secrets:
      password: {value: "${{ steps.make.output.password }}", deliver: once}
"""
MAKE = 'C="canary-44f0""c2b7d1"\necho "made $C"\nsleep 1\necho "password=$C" >> "$OPSPORTAL_OUTPUT"\n'


def found(data: bytes) -> bool:
    return any(form in data for form in forms(CANARY.encode()))


@contextmanager
def watched() -> Iterator[list[str]]:
    """What `ps` would show of every process meanwhile, where the canary stands in it."""
    over, seen = threading.Event(), list[str]()

    def look() -> None:
        while not over.wait(0.05):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    data = place.read_bytes()
                except OSError:
                    continue
                if found(data):
                    seen.append(data.decode(errors="replace"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture
def run(office: Office) -> int:
    """The number of a run that made one for Quinn; nothing of it was to be seen among the processes."""
    folder = office.bundle("secretive", procedure__yaml=YAML, make__sh=MAKE)
    (folder / "say.sh").unlink()
    sent = office.type("adam", "submit", str(folder), "--note", "x")
    assert sent.returncode == 0, sent.stderr
    words = ["--accept", "--duty", "operations", "--yes", "--key", office.key("olga")]
    assert office.type("olga", "review", f"secretive@{sent.stdout.split()[-1]}", *words).returncode == 0
    with watched() as seen:
        done = office.type("quinn", "run", "secretive", "--environment", "development", "--reason", "x")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "made ***" in done.stdout
    assert not seen
    number: int = json.loads(office.type("quinn", "runs", "--json").stdout)["results"][0]["no"]
    return number


def test_it_is_opened_on_ones_own_machine_and_lies_nowhere_else(office: Office, run: int, tmp_path: Path) -> None:
    number = str(run)
    listed = office.type("quinn", "result", number)
    assert "password" in listed.stdout
    assert "waits until" in listed.stdout
    wrong = office.type("quinn", "result", number, "password", "--identity", office.key("adam"))
    assert (wrong.returncode, "Nothing was fetched" in wrong.stderr) == (1, True)
    pack = tmp_path / "pack.zip"
    assert office.type("ines", "evidence", "export", "-o", str(pack)).returncode == 0
    for place in [pack, *(path for path in office.portal.data_dir.rglob("*") if path.is_file())]:
        assert not found(place.read_bytes()), place
    opened = office.type("quinn", "result", number, "password", "--identity", office.key("quinn"))
    assert (opened.returncode, opened.stdout) == (0, CANARY), opened.stderr
    again = office.type("quinn", "result", number, "password", "--identity", office.key("quinn"))
    assert (again.returncode, "was picked up" in again.stderr) == (1, True)
    assert not list((office.folder / "config-quinn").glob("*.age"))
