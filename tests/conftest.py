"""Fixtures that every room's tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.fixtures.databases", "tests.fixtures.valkey"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data folder for a portal of this test."""
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
