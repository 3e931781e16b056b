"""Fixtures that every room's tests share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "tests.fixtures.databases",
    "tests.fixtures.mailbox",
    "tests.fixtures.parts",
    "tests.fixtures.published",
    "tests.fixtures.settled",
    "tests.fixtures.valkey",
    "tests.fixtures.way_out",
]


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder for a portal of this test."""
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def figure() -> Callable[[str, Any], None]:
    """Keep a measured figure under a name; it is written where `test --all --record ISSUE` looks, else dropped."""

    def keep(name: str, value: Any) -> None:
        if folder := os.environ.get("OPSPORTAL_FIGURES"):
            Path(folder, f"{name}.json").write_text(json.dumps(value))

    return keep


@pytest.fixture(scope="session")
def host_number() -> int:
    """A number for practice hosts of this worker alone: their users' processes are ended by user id.

    Workers of another session may run beside it (tests/gate.py).
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return 30 * (worker + int(os.environ.get("OPSPORTAL_WORKERS_BEFORE", "0")))
