"""A part of the control groups' tree, which no host lends to its tests by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tree() -> Iterator[Path]:
    """A folder of the version 2 tree that this test may use: mounted here if the host has none in sight."""
    if os.geteuid() != 0:
        pytest.skip("only root makes control groups that nobody lent")
    place = Path("/sys/fs/cgroup/opsportal-test-tree")
    roots = [Path(row.split()[1]) for row in Path("/proc/self/mounts").read_text().splitlines() if " cgroup2 " in row]
    root = roots[0] if roots else place
    if not roots:
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "cgroup2", "none", str(place)], check=True)
    made = root / f"opsportal-test-{os.getpid()}"
    made.mkdir()
    try:
        yield made
    finally:
        for leaf in sorted(made.glob("**/"), reverse=True):
            leaf.rmdir()
