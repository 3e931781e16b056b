"""A run's workspace is its own, and nothing of it stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from procedures.engine import workspace
from procedures.engine.workspace import Workspaces

DIES = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from procedures.engine import workspace
workspace.PLACE = Path(sys.argv[1])
made = workspace.Workspaces().of("")
(made.files / "left").write_text("x")
os._exit(9)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setattr(workspace, "PLACE", tmp_path)
    monkeypatch.setattr(workspace, "YOUNG_S", -1.0)
    return tmp_path


def test_steps_share_a_folder_that_nobody_else_can_enter(place: Path) -> None:
    made = Workspaces()
    first, again, called = made.of(""), made.of(""), made.of("deploy/")
    assert first == again
    assert called.files != first.files
    assert first.files.parent.stat().st_mode & 0o777 == 0o700
    made.close()
    made.close()
    assert not list(place.iterdir())


def test_what_a_dead_runner_left_is_swept_and_what_lives_is_not(place: Path) -> None:
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", DIES, str(place), root], check=False)
    assert len(list(place.glob("*/files/left"))) == 1
    alive = Workspaces()
    kept = alive.of("")
    (kept.files / "mine").write_text("x")
    assert not list(place.glob("*/files/left"))
    other = Workspaces()
    other.of("")
    assert (kept.files / "mine").exists()
    alive.close()
    other.close()


def test_a_link_that_looks_like_a_workspace_leads_nowhere(place: Path, tmp_path_factory: Any) -> None:
    precious = tmp_path_factory.mktemp("precious")
    (precious / "kept").write_text("x")
    (place / f"{workspace.PREFIX}link").symlink_to(precious)
    made = Workspaces()
    made.of("")
    made.close()
    assert (precious / "kept").exists()
